"""The papers behind a report's methods."""

from __future__ import annotations

REFERENCES = {
    "newcombe-difference": (
        "Newcombe, R. G. (1998). Interval estimation for the difference between independent proportions: "
        "comparison of eleven methods. Statistics in Medicine, 17(8), 873–890."
    ),
    "donner": (
        "Donner, A., & Zou, G. Y. (2012). Closed-form confidence intervals for functions of the normal mean and "
        "standard deviation. Statistical Methods in Medical Research, 21(4), 347–359."
    ),
    "haldane": (
        "Haldane, J. B. S. (1956). The estimation and significance of the logarithm of a ratio of frequencies. "
        "Annals of Human Genetics, 20(4), 309–311."
    ),
    "newcombe-single": (
        "Newcombe, R. G. (1998). Two-sided confidence intervals for the single proportion: comparison of seven "
        "methods. Statistics in Medicine, 17(8), 857–872."
    ),
    "clopper": (
        "Clopper, C. J., & Pearson, E. S. (1934). The use of confidence or fiducial limits illustrated in the "
        "case of the binomial. Biometrika, 26(4), 404–413."
    ),
    "simel": (
        "Simel, D. L., Samsa, G. P., & Matchar, D. B. (1991). Likelihood ratios with confidence: sample size "
        "estimation for diagnostic test studies. Journal of Clinical Epidemiology, 44(8), 763–770."
    ),
    "delong": (
        "DeLong, E. R., DeLong, D. M., & Clarke-Pearson, D. L. (1988). Comparing the areas under two or more "
        "correlated receiver operating characteristic curves: a nonparametric approach. Biometrics, 44(3), "
        "837–845."
    ),
    "sun": (
        "Sun, X., & Xu, W. (2014). Fast implementation of DeLong’s algorithm for comparing the areas under "
        "correlated receiver operating characteristic curves. IEEE Signal Processing Letters, 21(11), 1389–1393."
    ),
    "obuchowski-clustered": (
        "Obuchowski, N. A. (1997). Nonparametric analysis of clustered ROC curve data. Biometrics, 53(2), 567–578."
    ),
    "bootstrap": (
        "Davison, A. C., & Hinkley, D. V. (1997). Bootstrap methods and their application. Cambridge University Press."
    ),
    "boyd": (
        "Boyd, K., Eng, K. H., & Page, C. D. (2013). Area under the precision-recall curve: point estimates and "
        "confidence intervals. Machine Learning and Knowledge Discovery in Databases (ECML PKDD), 451–466."
    ),
    "mercaldo": (
        "Mercaldo, N. D., Lau, K. F., & Zhou, X. H. (2007). Confidence intervals for predictive values with an "
        "emphasis to case–control studies. Statistics in Medicine, 26(10), 2170–2183."
    ),
    "guo": (
        "Guo, C., Pleiss, G., Sun, Y., & Weinberger, K. Q. (2017). On calibration of modern neural networks. "
        "International Conference on Machine Learning, 1321–1330."
    ),
    "calster": (
        "Van Calster, B., McLernon, D. J., van Smeden, M., Wynants, L., & Steyerberg, E. W. (2019). Calibration: "
        "the Achilles heel of predictive analytics. BMC Medicine, 17, 230."
    ),
    "gorodkin": (
        "Gorodkin, J. (2004). Comparing two K-category assignments by a K-category correlation coefficient. "
        "Computational Biology and Chemistry, 28(5–6), 367–374."
    ),
    "youden": ("Youden, W. J. (1950). Index for rating diagnostic tests. Cancer, 3(1), 32–35."),
    "mcnemar": (
        "McNemar, Q. (1947). Note on the sampling error of the difference between correlated proportions or "
        "percentages. Psychometrika, 12(2), 153–157."
    ),
    "newcombe-paired": (
        "Newcombe, R. G. (1998). Improved confidence intervals for the difference between binomial proportions "
        "based on paired data. Statistics in Medicine, 17(22), 2635–2650."
    ),
    "holm": (
        "Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of "
        "Statistics, 6(2), 65–70."
    ),
    "obuchowski-rockette": (
        "Obuchowski, N. A., & Rockette, H. E. (1995). Hypothesis testing of diagnostic accuracy for multiple "
        "readers and multiple tests: an ANOVA approach with dependent observations. Communications in Statistics "
        "– Simulation and Computation, 24(2), 285–308."
    ),
    "hillis": (
        "Hillis, S. L. (2007). A comparison of denominator degrees of freedom methods for multiple observer ROC "
        "analysis. Statistics in Medicine, 26(3), 596–619."
    ),
    "stard": (
        "Bossuyt, P. M., Reitsma, J. B., Bruns, D. E., et al. (2015). STARD 2015: an updated list of essential "
        "items for reporting diagnostic accuracy studies. BMJ, 351, h5527."
    ),
    "claim": (
        "Tejani, A. S., Klontzas, M. E., Gatti, A. A., et al. (2024). Checklist for Artificial Intelligence in "
        "Medical Imaging (CLAIM): 2024 update. Radiology: Artificial Intelligence, 6(4), e240300."
    ),
    "tripod": (
        "Collins, G. S., Moons, K. G. M., Dhiman, P., et al. (2024). TRIPOD+AI statement: updated guidance for "
        "reporting clinical prediction models that use regression or machine learning methods. BMJ, 385, e078378."
    ),
}

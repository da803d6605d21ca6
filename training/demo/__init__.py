"""A page on this machine where images are dropped: scores, operating point and Grad-CAM of a trained run.

Starlette and uvicorn serve one page of our own: Gradio writes every upload to disk and loads its page from elsewhere.
"""

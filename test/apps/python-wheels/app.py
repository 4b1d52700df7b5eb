"""An app of a little framework, which lies in vendor/wheels as a wheel; its own dependency lies there too."""
import os

from tinyweb import App

app = App()


@app.route("/")
def hello():
    return "hello from a wheel\n"


app.run(int(os.environ["PORT"]))

"""What the framework depends on."""


def shout(text):
    return text.upper()

"""mnist: a handwritten digit from 28x28 pixels, by a small dense network."""


def sentence(label: str) -> str:
    """The answer to one image, as the course has always worded it."""
    return f"예측한 값은: {label}입니다."

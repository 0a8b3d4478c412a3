"""One reader a file format; each takes files as published and returns uint8 NHWC images or vectors."""

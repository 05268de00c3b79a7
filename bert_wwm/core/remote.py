"""Paths of files in buckets, which TensorFlow reads and writes, and of local ones."""

import errno
import os
from typing import Any


def is_remote(path: str) -> bool:
    """True where the path names a scheme, as in ``gs://bucket/file``."""
    return "://" in path


def absolute(path: str) -> str:
    """Returns a path that means the same in any folder."""
    return path if is_remote(path) else os.path.abspath(path)


def gfile() -> Any:
    """Returns ``tf.io.gfile``; TensorFlow is imported on the first call."""
    from bert_wwm.compat import tf

    return tf.io.gfile


def stat(path: str) -> Any:
    """Returns what a bucket knows of a file. Raises FileNotFoundError if it is missing."""
    from bert_wwm.compat import tf

    try:
        return tf.io.gfile.stat(path)
    except tf.errors.NotFoundError:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None


def list_folder(path: str) -> list[str]:
    """Returns the names in a folder in a bucket; none where it is missing or may not be listed."""
    from bert_wwm.compat import tf

    try:
        return tf.io.gfile.listdir(path)
    except (tf.errors.NotFoundError, tf.errors.PermissionDeniedError):
        return []

"""Installs one package, ``bert_wwm``; the programs at the root run from a checkout."""

from setuptools import find_packages, setup

# A plain torch, which ltp asks for, would fetch gigabytes of CUDA; 2.13.0 needs Python 3.10.
LTP_NEURAL = [
    f"{package}; python_version >= '3.10'"
    for package in ("torch==2.13.0", "ltp==4.2.14", "transformers>=4.40,<5")
]
RJIEBA = ["rjieba==0.2.2"]
SIMILAR_WORDS = ["gensim==4.4.0"]
# 2.69 is the last for Python 3.9; both run beside requirements.txt.
BEAM = [
    "apache-beam==2.77.0; python_version >= '3.10'",
    "apache-beam==2.69.0; python_version < '3.10'",
]
# What --runner=dataflow imports of apache-beam[gcp]. With TensorFlow's protobuf pip searches for
# versions of all of that for more than ten minutes; newer ones of grpcio-status need another.
DATAFLOW = [
    f"{package}; python_version >= '3.10'"
    for package in (
        "google-cloud-dataflow-client>=0.13,<0.14",
        "google-cloud-storage>=2.18.2,<4",
        "google-cloud-resource-manager>=1.12,<2",
        "google-auth-httplib2>=0.1,<0.3",
        "grpcio-status<1.63",
    )
]
# Newer ones need numpy 2 and another protobuf than TensorFlow's.
ONNX = ["tf2onnx==1.17.0", "onnx==1.17.0", "onnxruntime==1.19.2"]
DEMO = ["snownlp==0.12.3", "matplotlib>=3.8,<4"]

setup(
    name="bert-wwm",
    version="0.1.0",
    description="Whole-word-masking pretraining of Chinese BERT: the open implementation of HFL's",
    license="Apache-2.0",
    python_requires=">=3.9,<3.12",
    packages=find_packages(include=["bert_wwm", "bert_wwm.*"]),
    install_requires=[
        "tensorflow==2.15.1",  # the last line with Estimator
        "numpy>=1.23,<2",
        "absl-py>=1.4",
        "ltp-extension==0.1.13",
        "google-crc32c>=1.5,<2",  # checksums of TFRecords
        "huggingface_hub>=0.23,<1",  # finds LTP's models
        "safetensors>=0.4.3,<1",  # Hugging Face's format of weights
        "nltk>=3.8,<4",  # CMRC 2018's metric parts English by it
        "setuptools<81",  # TensorBoard 2.15 imports pkg_resources
    ],
    extras_require={
        "ltp-neural": LTP_NEURAL,
        "rjieba": RJIEBA,
        "similar-words": SIMILAR_WORDS,
        "beam": BEAM,
        "dataflow": [*BEAM, *DATAFLOW],
        "onnx": ONNX,
        "demo": DEMO,
        "dev": [
            *LTP_NEURAL,
            *RJIEBA,
            *SIMILAR_WORDS,
            *BEAM,
            *ONNX,
            *DEMO,
            "hypothesis>=6.100",
            "mypy==1.19.1",
            "pytest>=8,<9",
            "pytest-xdist>=3.8,<4",
            "ruff==0.14.10",
        ],
    },
)

"""Installs one package, ``bert_wwm``; the programs at the root run from a checkout."""

from setuptools import find_packages, setup

LTP_NEURAL = ["ltp==4.2.14", "torch==2.13.0", "transformers>=4.40,<5"]
RJIEBA = ["rjieba==0.2.2"]
SIMILAR_WORDS = ["gensim==4.4.0"]
BEAM = ["apache-beam==2.77.0"]
# What --runner=dataflow imports of apache-beam[gcp]. With TensorFlow's protobuf pip searches for
# versions of all of that for more than ten minutes; newer ones of grpcio-status need another.
DATAFLOW = [
    "google-cloud-dataflow-client>=0.13,<0.14",
    "google-cloud-storage>=2.18.2,<4",
    "google-cloud-resource-manager>=1.12,<2",
    "google-auth-httplib2>=0.1,<0.3",
    "grpcio-status<1.63",
]
ONNX = ["tf2onnx==1.17.0", "onnx>=1.17", "onnxruntime>=1.19.2"]
TEST = ["hypothesis>=6.100", "pytest>=8,<9", "pytest-xdist>=3.8,<4"]
DEMO = ["snownlp==0.12.3", "matplotlib>=3.8,<4"]

setup(
    name="bert-wwm",
    version="0.1.0",
    description="Whole-word-masking pretraining of Chinese BERT: the open implementation of HFL's",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["bert_wwm", "bert_wwm.*"]),
    install_requires=[
        "tensorflow>=2.15.0,<2.22",
        "tensorflow-estimator==2.15.0",  # TensorFlow 2.16 and later come without it
        "tensorboard>=2.15",
        "setuptools<81; python_version < '3.12'",  # TensorBoard 2.15 imports pkg_resources
        "numpy>=1.26",
        "ml_dtypes>=0.2",  # numpy's bfloat16, which TensorFlow installs too
        "absl-py>=1.4",
        "ltp-extension==0.1.13",
        "google-crc32c>=1.5,<2",  # checksums of TFRecords
        "huggingface_hub>=0.23",  # finds LTP's models
        "safetensors>=0.4.3,<1",  # Hugging Face's format of weights
        "nltk>=3.8,<4",  # CMRC 2018's metric parts English by it
    ],
    extras_require={
        "ltp-neural": LTP_NEURAL,
        "rjieba": RJIEBA,
        "similar-words": SIMILAR_WORDS,
        "beam": BEAM,
        "dataflow": [*BEAM, *DATAFLOW],
        "onnx": ONNX,
        "demo": DEMO,
        "test": [*DEMO, *TEST],
        "dev": [
            *LTP_NEURAL,
            *RJIEBA,
            *SIMILAR_WORDS,
            *BEAM,
            *ONNX,
            *DEMO,
            *TEST,
            "mypy==1.19.1",
            "ruff==0.14.10",
        ],
    },
)

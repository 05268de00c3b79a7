"""What a step costs on a TPU, asked of the TPU's own compiler, without a TPU."""

"""Keras 3 on PyTorch, both made to compute in f64 throughout; import them from here."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import torch
from keras.src.backend.common import dtypes

keras.backend.set_floatx("float64")
# Keras's type promotion turns f64 into f32 on this backend, inside means too.
dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
# PyTorch keeps some scalars of an optimiser (NAdam's product of momenta) in the default dtype.
torch.set_default_dtype(torch.float64)

PYTORCH = "PyTorch " + torch.__version__.split("+")[0]
KERAS = "Keras " + keras.__version__
BOTH = "{} and {}, f64".format(PYTORCH, KERAS)

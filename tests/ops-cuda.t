# ops-cuda: every op of the CUDA backend by its own kernels against ref, over an emulated device, or with the library
# $IC_CUDA names on a real one.
built=$(dirname "$(command -v ic-sample)")/..
IC_CUDA=${IC_CUDA:-$built/tests/libic-cuda-host.so} IC_CUBLAS=none exec "$built/tests/check-ops" cuda-f32 cuda-tf32 cuda-bf16

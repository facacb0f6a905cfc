# ops-cuda: every op of the CUDA backend against ref, its kernels run over an emulated device, or with
# the library $IC_CUDA names on a real one.
built=$(dirname "$(command -v ic-sample)")/..
IC_CUDA=${IC_CUDA:-$built/tests/libic-cuda-host.so} exec "$built/tests/check-ops" cuda-f32 cuda-tf32 cuda-bf16

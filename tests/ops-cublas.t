# ops-cublas: products of matrices by cuBLASLt against ref: an emulated one on an emulated device, or with the library $IC_CUDA
# names on a real one, where $IC_CUBLAS or the system has it.
tests=$(dirname "$(command -v ic-sample)")/../tests
[ -n "$IC_CUDA" ] || export IC_CUDA=$tests/libic-cuda-host.so IC_CUBLAS=$tests/libic-cuda-host.so
exec "$tests/check-ops" cuda-tf32 cuda-bf16 matmul attention conv conv_dx conv_dw conv_act

# ops-warps: products in bf16 by the tensor cores of an A100, which warps use by themselves, against ref, over an emulated device;
# ops-cuda has an H100's, by four warps at once.
tests=$(dirname "$(command -v ic-sample)")/../tests
IC_EMULATED=80 IC_CUDA=$tests/libic-cuda-host.so IC_CUBLAS=none exec "$tests/check-ops" cuda-bf16 matmul conv conv_dx conv_dw

# races: ThreadSanitizer watches the emulated device: its fibers are the threads of blocks, which only
# barriers order, and those of two blocks not even they.  What one thread writes and another reads or
# writes without a barrier between them ends the program, in shared memory and in the device's.
# A shuffle orders no memory, here or there.  Every kernel runs.  Not watched: other sizes than those of
# the programs below, in which blocks have other elements, but in the same way; cuBLASLt, of which the
# emulated device has its own; a kernel against a transfer or another kernel, which here follow each
# other as on the one stream that all are queued on.
. tests/tap.sh
tests=$(dirname "$(command -v ic-sample)")/../tests
tsan=$(ldd "$tests/libic-cuda-race.so" | awk '/libtsan/ { print $3 }')
if [ ! -e "$tsan" ] || ldd "$tests/check-ops" | grep -q asan; then
	echo "1..1"
	echo "ok 1 - races # skip no ThreadSanitizer, or another sanitizer is here"
	exit
fi

watched()
{
	IC_CUDA=$tests/libic-cuda-race.so LD_PRELOAD=$tsan TSAN_OPTIONS="halt_on_error=1 ignore_noninstrumented_modules=1" "$@"
}
ok "a sound kernel" watched "$tests/check-emulated-race" sound
exits 66 "a kernel without its barrier" watched "$tests/check-emulated-race" racy
export IC_LOADED=$TMP/ran IC_CUBLAS=none
ok "products, sums, passes" watched "$tests/each-kernel"
ok "rows, pieces, recorded runs" watched "$tests/check-device"
ok "pairs of rows" watched "$tests/check-sweep"
kernels()
{
	sed -n 's/^KERNEL\((\|_OF([A-Z_]*, [0-9], \)\([a-z_]*\),.*/\2/p' kernels/cuda/*.cu
	printf '%s\n' gemm_CONV{,_DX,_DW}_{F32,TF32,BF16} half_CONV{,_DX,_DW}_{TF32,BF16}
}
ok "no kernel is left out" eval '[ "$(kernels | sort -u)" = "$(sort -u "$IC_LOADED")" ]'
done_testing

# races: ThreadSanitizer watches the emulated device: its fibers are the threads of blocks, which only
# barriers order, and those of two blocks not even they.  What one thread writes and another reads or
# writes without a barrier between them ends the program, in shared memory and in the device's.
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
ok "products, rows, pieces, recorded runs" watched "$tests/check-device"
ok "pairs of rows" watched "$tests/check-sweep"
ok "sums, convolutions" watched "$tests/check-ops" cuda-bf16 conv_dx
done_testing

# memory: a program that memory runs out for, at whatever place, says so and ends with status 1.
. tests/tap.sh
top=$PWD
library=$(dirname "$(command -v ic-store)")/../tests/no-memory.so
cd "$TMP" || exit 1

# every COMMAND...: the command with memory for 0, 1, 2 ... allocations, up to the first that are enough: out.safetensors,
# or what it prints, is the same then as with all that it wants, and a file is never there in part.
every()
{
	local n status made=printed
	"$@" >printed 2>err || return
	[ ! -e out.safetensors ] || made=out.safetensors
	mv $made want
	for ((n = 0; n < 5000; n++)); do
		rm -f out.safetensors
		LD_PRELOAD=$library NO_MEMORY=$n "$@" >printed 2>err
		status=$?
		[ $status -eq 0 ] && break
		[ $status -eq 1 ] && [ -s err ] && { [ ! -e out.safetensors ] || cmp want out.safetensors; } && continue
		echo "status $status after $n allocations" && cat err
		return 1
	done >&2
	[ "$n" -gt 10 ] && cmp want $made
}

if ldd "$(command -v ic-store)" | grep -q libasan; then
	ok "memory is the sanitizer's # skip" true
	done_testing
fi
mkdir pictures
cp "$top"/tests/golden/images/{j_gray.jpg,j_rgb_adobe.jpg,p_pillow.png} pictures
ic-pack --size 0 pictures >pictures.pam 2>/dev/null
printf '\0\0\10\3\0\0\0\2\0\0\0\4\0\0\0\4%32s' x | gzip >idx.gz
ok "ic-pack: no picture is left out" every ic-pack --size 16 pictures
ok "ic-pack of an IDX file" every ic-pack --size 4 idx.gz
ok "ic-grid" every ic-grid pictures.pam
for f in generator-legacy.pth encoders.npz; do
	ok "ic-store ls $f" every ic-store ls "$top/tests/golden/$f"
done
ok "ic-store export" every ic-store export --net blocks "$top/tests/golden/generator.safetensors" -o out.safetensors
done_testing

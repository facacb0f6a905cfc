# weights: one generator in three containers is one generator to the tools; reading starts no program.
. tests/tap.sh
golden=tests/golden/generator

# tensors FILE: name, type and shape of each
tensors()
{
	ic-store ls "$1" | cut -f 2-4 | grep -v __metadata__ | sort
}
check_same "ls: a checkpoint of today and safetensors" "tensors $golden.pth" "tensors $golden.safetensors"
check_same "ls: a checkpoint of before 2020" "tensors $golden-legacy.pth" "tensors $golden.safetensors"
check_same "ls: what was chosen and stripped" "ic-store ls $golden.pth | grep __metadata__ | cut -f 9" \
	"printf 'chosen=state_dict\nstripped=module.\n'"
check_same "samples of a checkpoint of today" "ic-sample $golden.pth -n 2 --class 1" \
	"ic-sample $golden.safetensors -n 2 --class 1"
check_same "samples of a checkpoint of before 2020" "ic-sample $golden-legacy.pth -n 2 --class 1" \
	"ic-sample $golden.safetensors -n 2 --class 1"

corpus=tests/fuzz/corpus/weights
fails_with "found os.system, expected a tensor" "a call in place of a tensor" \
	ic-store ls $corpus/evil_system.pth
fails_with "TorchScript" "a program in place of tensors" ic-store ls $corpus/torchscript.pt
check_same "a name that a terminal would obey" "ic-store ls $corpus/name_esc.pth | tail -n 1 | cut -f 2" \
	"printf '%s\n' '\\x1b]0;x\\x07w'"
head -c 30000 $golden.pth >"$TMP/cut.pth"
fails_with "cut or damaged" "a file cut short" ic-sample "$TMP/cut.pth" -n 1 --class 1

objects=${BIN:-build/bin}/../obj/formats
starts_nothing()
{
	! nm -u "$objects"/{pickle,pickle_scan,torch,torch_zip,torch_legacy,torch_tar,zip,weights}.o |
		grep -E '\b(system|popen|exec[lv]\w*|fork|posix_spawn\w*|dlopen|dlsym)\b' >&2
}
ok "the readers know no way to start or load a program" starts_nothing
done_testing

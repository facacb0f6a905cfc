# tap: results of shell tests (bash) in the Test Anything Protocol; sourced from the top of the tree.
# Programs under test come first in PATH; $TMP is an empty directory, removed after the test.

tap_ran=0
tap_failed=0
: "${TMP:?run tests through tests/run.sh}"

# tap_result STATUS NAME: one line, and on failure what the command said.
tap_result()
{
	tap_ran=$((tap_ran + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tap_ran - $2"
	else
		tap_failed=$((tap_failed + 1))
		echo "not ok $tap_ran - $2"
		cut -c 1-300 "$TMP/.err" | head -n 20 | sed 's/^/#   /'
	fi
}

# ok NAME COMMAND...: the command succeeds.
ok()
{
	local name=$1 status
	shift
	"$@" >"$TMP/.out" 2>"$TMP/.err" </dev/null
	status=$?
	[ $status -eq 0 ] || echo "exit status $status: $*" >>"$TMP/.err"
	tap_result $status "$name"
}

# exits N NAME COMMAND...: the command ends with exactly this status.
exits()
{
	local want=$1 name=$2 status
	shift 2
	"$@" >"$TMP/.out" 2>"$TMP/.err" </dev/null
	status=$?
	[ $status -eq "$want" ] || echo "exit status $status, expected $want: $*" >>"$TMP/.err"
	[ $status -eq "$want" ]
	tap_result $? "$name"
}

# fails_with TEXT NAME COMMAND...: exit status 1 or 2, with TEXT in what it says on stderr.
fails_with()
{
	local text=$1 name=$2 status
	shift 2
	"$@" >"$TMP/.out" 2>"$TMP/.err" </dev/null
	status=$?
	if [ $status -ne 1 ] && [ $status -ne 2 ]; then
		echo "exit status $status, expected 1 or 2: $*" >>"$TMP/.err"
		tap_result 1 "$name"
	elif grep -qF -- "$text" "$TMP/.err"; then
		tap_result 0 "$name"
	else
		echo "expected on stderr: $text" >>"$TMP/.err"
		tap_result 1 "$name"
	fi
}

# check_same NAME A B: two spellings of a command (evaluated) succeed and print the same bytes.
check_same()
{
	(eval "$2") >"$TMP/.a" 2>"$TMP/.err" </dev/null
	local one=$?
	(eval "$3") >"$TMP/.b" 2>>"$TMP/.err" </dev/null
	local two=$?
	if [ $one -ne 0 ] || [ $two -ne 0 ]; then
		echo "exit status $one of: $2; $two of: $3" >>"$TMP/.err"
		tap_result 1 "$1"
	else
		cmp "$TMP/.a" "$TMP/.b" >>"$TMP/.err" 2>&1
		tap_result $? "$1"
	fi
}

done_testing()
{
	echo "1..$tap_ran"
	[ $tap_failed -eq 0 ] && [ $tap_ran -gt 0 ]
	exit
}

# nan_at FILE TENSOR: the first value of the safetensors file's tensor becomes NaN.
nan_at()
{
	local head at
	head=$(od -An -tu8 -N8 "$1")
	at=$(tail -c +9 "$1" | head -c "$head" |
		sed 's/.*"'"$2"'":{[^}]*"data_offsets":\[\([0-9]*\),.*/\1/')
	printf '\0\0\300\177' | dd of="$1" bs=1 seek=$((8 + head + at)) conv=notrunc 2>/dev/null
}

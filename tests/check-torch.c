/* check-torch: pickles instruction by instruction, what is chosen and stripped in files of PyTorch,
 * modules and network snapshots, files cut short, and one generator in three containers. */
#include "formats/pickle.h"
#include "formats/weights.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/gan/state.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WEIGHTS "tests/fuzz/corpus/weights/"
#define PICKLE(text) text, sizeof text - 1

static void check_numbers(void)
{
	static const struct { const char *bytes; size_t n; enum pickle_kind kind; int64_t want; }
	some[] = {
		{ PICKLE("\x80\x02K\xff."), PICKLE_INT, 255 },
		{ PICKLE("M\x01\x02."), PICKLE_INT, 513 },
		{ PICKLE("J\xfe\xff\xff\xff."), PICKLE_INT, -2 },
		{ PICKLE("\x8a\x00."), PICKLE_INT, 0 },
		{ PICKLE("\x8a\x01\x80."), PICKLE_INT, -128 },
		{ PICKLE("\x8b\x02\x00\x00\x00\xff\x7f."), PICKLE_INT, 32767 },
		{ PICKLE("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80."), PICKLE_INT, INT64_MIN },
		{ PICKLE("I-12\n."), PICKLE_INT, -12 },
		{ PICKLE("I01\n."), PICKLE_BOOL, 1 },
		{ PICKLE("I00\n."), PICKLE_BOOL, 0 },
		{ PICKLE("L34L\n."), PICKLE_INT, 34 },
		{ PICKLE("\x88."), PICKLE_BOOL, 1 },
		{ PICKLE("K\x05""0K\x06."), PICKLE_INT, 6 },
		{ PICKLE("K\x05(K\x06""1."), PICKLE_INT, 5 },
		{ PICKLE("K\x07p2\n0g2\n."), PICKLE_INT, 7 },
		{ PICKLE("K\x07\x94""0h\x00."), PICKLE_INT, 7 },
	};

	for (size_t i = 0; i < LEN(some); i++) {
		struct pickle p;
		bool good = !pickle_read(&p, "some", some[i].bytes, some[i].n);
		ok(good && p.used == some[i].n && p.root->kind == some[i].kind &&
				p.root->i == some[i].want, "pickle %zu: number %lld: %s", i,
			(long long)some[i].want, good ? "read" : why());
		pickle_free(&p);
	}
	struct pickle f;
	ok(!pickle_read(&f, "some", "G?\xf8\0\0\0\0\0\0.", 10) && f.root->f == 1.5, "1.5");
	pickle_free(&f);
	ok(!pickle_read(&f, "some", "F-2.5e1\n.", 9) && f.root->f == -25, "-25 as text");
	pickle_free(&f);
}

static void check_texts(void)
{
	static const struct { const char *bytes; size_t n; } some[] = {
		{ PICKLE("X\x02\0\0\0ab.") }, { PICKLE("U\x02""ab.") },
		{ PICKLE("T\x02\0\0\0ab.") }, { PICKLE("\x8c\x02""ab.") },
		{ PICKLE("\x8d\x02\0\0\0\0\0\0\0ab.") }, { PICKLE("C\x02""ab.") },
		{ PICKLE("B\x02\0\0\0ab.") }, { PICKLE("\x8e\x02\0\0\0\0\0\0\0ab.") },
		{ PICKLE("\x96\x02\0\0\0\0\0\0\0ab.") }, { PICKLE("S'ab'\n.") },
		{ PICKLE("S\"ab\"\n.") }, { PICKLE("Vab\n.") },
	};

	for (size_t i = 0; i < LEN(some); i++) {
		struct pickle p;
		bool good = !pickle_read(&p, "some", some[i].bytes, some[i].n);
		ok(good && pickle_says(p.root, "ab"), "text in form %zu: %s", i,
			good ? "read" : why());
		pickle_free(&p);
	}
}

/* A call stays a description of a call. */
static void check_calls(void)
{
	static const char call[] = "cos\nsystem\n(X\x04\0\0\0trueK\x01tRq\0}X\1\0\0\0aK\x02sb"
		"X\1\0\0\0bK\x03s.";
	struct pickle p;
	bool good = !pickle_read(&p, "some", call, sizeof call - 1);
	const struct pickle_item *x = p.root;

	ok(good && x->kind == PICKLE_CALL && x->n == 5 &&
		   pickle_names(x->child[0], "os", "system") && x->child[1]->n == 2 &&
		   pickle_says(x->child[1]->child[0], "true"),
	   "a call is kept as an item: %s", good ? "read" : why());
	ok(good && x->child[2]->kind == PICKLE_DICT && pickle_says(x->child[3], "b") &&
			x->child[4]->i == 3, "its state and its items are beside it");
	pickle_free(&p);
	static const char own[] = "]q\0(h\0K\1\x85Qe.";
	good = !pickle_read(&p, "some", own, sizeof own - 1);
	ok(good && p.root->n == 2 && p.root->child[0] == p.root && p.n_ids == 1 &&
			p.ids[0] == p.root->child[1] && p.ids[0]->child[0]->kind == PICKLE_TUPLE,
		"a list that contains itself and an id: %s", good ? "read" : why());
	pickle_free(&p);
}

static void refuse(const char *bytes, size_t n, const char *reason)
{
	struct pickle p;
	bool bad = pickle_read(&p, "some", bytes, n) == -1;

	ok(bad && strstr(why(), reason), "refused: %s", bad ? why() : reason);
	if (!bad) pickle_free(&p);
}

/* n times the bytes of one instruction sequence, behind a beginning. */
static void refuse_many(const char *begin, const char *again, size_t each, int n,
	const char *reason)
{
	size_t start = strlen(begin);
	char *bytes = mem_new(start + each * (size_t)n, 1);

	memcpy(bytes, begin, start);
	for (int i = 0; i < n; i++) memcpy(bytes + start + each * (size_t)i, again, each);
	refuse(bytes, start + each * (size_t)n, reason);
	free(bytes);
}

static void check_refusals(void)
{
	refuse(PICKLE(""), "cut short");
	refuse(PICKLE("K\x05"), "cut short");
	refuse(PICKLE("."), "other than one item");
	refuse(PICKLE("NN."), "other than one item");
	refuse(PICKLE("(N."), "other than one item");
	refuse(PICKLE("\x80\x06N."), "protocol");
	refuse(PICKLE("N(\x85."), "stack is empty");
	refuse(PICKLE("Nu."), "no mark");
	refuse(PICKLE("}(K\x01u."), "key without a value");
	refuse(PICKLE("}K\x01""a."), "has none");
	refuse(PICKLE("h\x05."), "never set");
	refuse(PICKLE("Np1048576\n."), "memo index beyond");
	refuse(PICKLE("Np-1\n."), "memo index beyond");
	refuse(PICKLE("X\xff\xff\xff\xff."), "beyond the end");
	refuse(PICKLE("\x8e\xff\xff\xff\xff\xff\xff\xff\xff."), "beyond the end");
	refuse(PICKLE("I1x\n."), "no number");
	refuse(PICKLE("I9223372036854775808\n."), "64 bits");
	refuse(PICKLE("cos\nsystem."), "without end");
	refuse(PICKLE("X\1\0\0\0a)R."), "no function");
	refuse(PICKLE("cos\nsystem\nNR."), "without a tuple");
	refuse(PICKLE("(ios\nsystem\n."), "instruction 69");
	refuse(PICKLE("\x97."), "instruction 97");
	refuse_many("", "(", 1, 300, "open marks");
	refuse_many("N", "2", 1, 300000, "stack is full");
	refuse_many("", "N0", 2, 1100000, "2097152 instructions");
	refuse_many("", "c\n\n0", 4, 350000, "1048576 items");
	refuse_many("]\x94", "(h\0h\0h\0h\0h\0h\0h\0h\0e", 18, 300000, "too long");
}

static void check_meta(const char *file, const char *name, const char *want)
{
	struct tensors t;

	if (!ok(!weights_open(&t, file), "%s: read", file)) return;
	const char *got = tensors_meta(&t, name);
	ok(got && !strcmp(got, want), "%s: %s is %s, expected %s", file, name, got ? got : "absent",
		want);
	tensors_close(&t);
}

/* TorchScript archives, only for those who ask for them: every tensor under the name of its
 * attributes, in the types and order of its view. */
static void check_script(void)
{
	static const uint16_t proj[6] = { 0, 0x4000, 0x4400, 0x3c00, 0x4200, 0x4500 };
	static const char *const name[] = {
		"logit_scale", "input_resolution", "visual.proj", "visual.conv1.weight",
		"visual.resblocks.0.in_proj_weight", "visual.resblocks.0.ln_1.weight",
		"visual.resblocks.0.ln_1.bias", "visual.resblocks.1.in_proj_weight",
		"visual.resblocks.1.ln_1.weight", "visual.resblocks.1.ln_1.bias",
		"visual.again.in_proj_weight", "visual.again.ln_1.weight", "visual.again.ln_1.bias",
	};
	struct tensors t;
	bool same = true;

	ok(weights_open(&t, WEIGHTS "script_clip.pt") == -1 && strstr(why(), "TorchScript"),
		"not asked for: %s", why());
	if (!ok(!weights_open_script(&t, WEIGHTS "script_clip.pt"), "asked for")) return;
	for (int i = 0; i < (int)LEN(name); i++)
		same &= i < t.n && !strcmp(t.t[i].name, name[i]);
	ok(same && t.n == LEN(name), "PyTorch's names of them, and nothing else");
	const struct tensor *x = tensors_find(&t, "visual.proj");
	ok(x && x->type == DT_F16 && x->rank == 2 && x->shape[0] == 2 && x->shape[1] == 3 &&
			!memcmp(x->data, proj, sizeof proj), "a transposed view");
	x = tensors_find(&t, "logit_scale");
	ok(x && x->type == DT_F32 && !x->rank && *(const float *)x->data == 1.5f, "a number");
	tensors_close(&t);
}

static void check_bad_scripts(void)
{
	static const struct { const char *file, *reason; } some[] = {
		{ WEIGHTS "script_cycle.pt", "32 deep" },
		{ WEIGHTS "script_unfold.pt", "65536 attributes" },
		{ WEIGHTS "script_system.pt", "a: found os.system, expected a tensor" },
		{ WEIGHTS "script_tuple.pt", "no module" },
	};

	for (size_t i = 0; i < LEN(some); i++) {
		struct tensors t;
		ok(weights_open_script(&t, some[i].file) == -1 && strstr(why(), some[i].reason),
			"refused: %s", why());
	}
}

/* A snapshot of StyleGAN2-ADA: every tensor of its three networks in PyTorch's order, weights in
 * the order of channels-last too, and what they do not tell. */
static void check_snapshot(void)
{
	struct tensors got, want;
	int same = 0;

	if (!ok(!weights_open(&got, "tests/golden/snapshot.pkl"), "a network snapshot")) return;
	must(!weights_open(&want, "tests/golden/snapshot.safetensors"));
	for (int i = 0; i < want.n && i < got.n; i++) {
		const struct tensor *a = &got.t[i], *b = &want.t[i];
		same += !strcmp(a->name, b->name) && a->type == b->type && a->rank == b->rank &&
			!memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) &&
			!memcmp(a->data, b->data, (size_t)a->count * dtype_size(a->type));
	}
	ok(same == got.n && same == want.n && same > 100, "%d of %d tensors are those of PyTorch",
		same, want.n);
	tensors_close(&got);
	tensors_close(&want);
	check_meta("tests/golden/snapshot.pkl", "D",
		"{\"_init_kwargs\":{\"c_dim\":0,\"h_dim\":7,\"img_resolution\":8,"
		"\"img_channels\":3,\"block_kwargs\":{\"freeze_layers\":0},"
		"\"epilogue_kwargs\":{\"mbstd_group_size\":4},\"num_fp16_res\":4,"
		"\"conv_clamp\":256},\"c_dim\":0,\"h_dim\":7,"
		"\"img_resolution\":8,\"img_resolution_log2\":3}");
	check_meta("tests/golden/snapshot.pkl", "D.b4.mbstd",
		"{\"_init_kwargs\":{},\"group_size\":4,\"num_channels\":1}");
	check_meta("tests/golden/snapshot.pkl", "G_ema.mapping.fc1",
		"{\"_init_kwargs\":{\"activation\":\"lrelu\",\"lr_multiplier\":0.01},"
		"\"activation\":\"lrelu\",\"bias_gain\":0.01}");
}

/* One module, in protocol 2, with PyTorch's own in it, one of them under two names. */
static void check_module(void)
{
	static const char *const name[] = {
		"w", "conv.weight", "norm.weight", "norm.bias", "norm.running_mean",
		"norm.running_var", "norm.num_batches_tracked", "again.weight",
	};
	struct tensors t;
	int same = 0;

	check_meta(WEIGHTS "modules_one.pkl", "", "{\"_init_kwargs\":{},\"kinds\":"
		"{\"a\":1,\"text\":\"b\\\"\\u000a\",\"none\":null,\"half\":0.5}}");
	if (!ok(!weights_open(&t, WEIGHTS "modules_one.pkl"), "one module")) return;
	for (int i = 0; i < (int)LEN(name); i++) same += i < t.n && !strcmp(t.t[i].name, name[i]);
	ok(same == t.n && t.n == LEN(name), "%d of %d names", same, t.n);
	for (int k = 1; k < t.n; k += 6) {
		const struct tensor *x = &t.t[k];
		same = 0;
		for (int i = 0; i < 16 && x->count == 16; i++)
			same += ((const float *)x->data)[i] == (float)i;
		ok(same == 16 && x->rank == 4, "%s in the order of its indices", x->name);
	}
	tensors_close(&t);
	ok(!weights_open(&t, WEIGHTS "modules_source.pkl") && t.n == 1 && !t.n_meta,
		"source code that is a call");
	tensors_close(&t);
	ok(!weights_open(&t, WEIGHTS "modules_source_bomb.pkl") && t.n == 1,
		"source code that would unfold");
	tensors_close(&t);
	check_meta(WEIGHTS "modules_augment.pkl", "left out", "augment_pipe");
	check_meta(WEIGHTS "modules_snapshot.pkl", "G_ema.norm", "{\"num_features\":1,"
		"\"eps\":1e-05,\"momentum\":0.1,\"affine\":true,\"track_running_stats\":true}");
}

static void check_bad_modules(void)
{
	static const struct { const char *file, *reason; } some[] = {
		{ "after", "bytes after the pickle's end" },
		{ "attributes", "attributes in attributes, 8 deep" },
		{ "bigendian", "storage at byte 622: not of a little-endian machine" },
		{ "cut", "storage at byte 622: cut short in a storage of 4" },
		{ "cycle", "32 deep" },
		{ "garbage", "storage at byte 622: byte 0 of the pickle" },
		{ "id", "ids of storages" },
		{ "magic", "storage at byte 622: found a pickle, but not one" },
		{ "negative", "no number of 0 or more" },
		{ "none", "none of PyTorch's tensors or modules" },
		{ "nothing", "storage at byte 622: byte 0 of the pickle: cut short" },
		{ "numel", "a storage of 5 elements, expected 4" },
		{ "offset", "w: element 4 of a storage of 4" },
		{ "other", "a: found m.M, expected a tensor" },
		{ "source_length", "a length beyond the end" },
		{ "stateless", "without type, version and state" },
		{ "stride", "w: element 5 of a storage of 4" },
		{ "system", "w: found os.system, expected a tensor" },
		{ "twice", "G.w is given twice" },
		{ "unfold", "65536 attributes" },
		{ "version", "version 6" },
	};

	for (size_t i = 0; i < LEN(some); i++) {
		char *path = mem_text(WEIGHTS "modules_%s.pkl", some[i].file);
		struct tensors t;
		bool bad = weights_open(&t, path) == -1;
		bool told = !strncmp(why(), path, strlen(path)) && strstr(why(), some[i].reason);
		ok(bad && told, "refused: %s", why());
		free(path);
	}
}

/* One storage of 30000 bytes under n names. */
static void write_many(const char *path, int n)
{
	static const char module[] = "\x80\x02""cm\nM\n)\x81}(X\x08\0\0\0_buffers}X\x08\0\0\0"
		"_modules}X\x0b\0\0\0_parameters}(",
		rebuild[] = "ctorch._utils\n_rebuild_tensor_v2\n",
		load[] = "(ctorch.storage\n_load_from_bytes\n(B", args[] = "tRK\0))\x89Ntq\1",
		legacy[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
		"\x80\x02M\xe9\x03.\x80\x02}X\x0d\0\0\0little_endian\x88s."
		"\x80\x02(X\x07\0\0\0storage"
		"ctorch\nByteStorage\nX\1\0\0\0aX\3\0\0\0cpuM\x30\x75NtQ."
		"\x80\x02]X\1\0\0\0aa.";
	int64_t elements = 30000;
	uint32_t bytes = (uint32_t)(sizeof legacy - 1 + sizeof elements + (size_t)elements);
	char *zeros = mem_new((size_t)elements, 1);
	FILE *f = fopen(path, "wb");

	must(f);
	fwrite(module, 1, sizeof module - 1, f);
	for (int i = 0; i < n; i++) {
		fprintf(f, "X%c%c%c%cw%04d%s", 5, 0, 0, 0, i, rebuild);
		if (i) {
			fputs("h\1R", f);
			continue;
		}
		fputs(load, f);
		fwrite(&bytes, sizeof bytes, 1, f);
		fwrite(legacy, 1, sizeof legacy - 1, f);
		fwrite(&elements, sizeof elements, 1, f);
		fwrite(zeros, 1, (size_t)elements, f);
		fwrite(args, 1, sizeof args - 1, f);
		putc('R', f);
	}
	fputs("uub.", f);
	must(!fclose(f));
	free(zeros);
}

static void check_many(void)
{
	const char *dir = getenv("TMP");
	char *path = mem_text("%s/many.pkl", dir ? dir : "/tmp");
	struct tensors t;

	write_many(path, 500);
	bool good = !weights_open(&t, path);
	ok(good && t.n == 500 && t.t[499].type == DT_U8, "a storage under 500 names: %s",
		good ? "read" : why());
	if (good) tensors_close(&t);
	write_many(path, 800);
	ok(weights_open(&t, path) == -1 && strstr(why(), "storages hold more"), "under 800: %s",
		why());
	unlink(path);
	free(path);
}

/* Zip and legacy files, and pickles, end where they say: every shorter one is refused. */
static void check_cuts(const char *file)
{
	const char *dir = getenv("TMP");
	char *path = mem_text("%s/cut.pth", dir ? dir : "/tmp"), bytes[8192];
	FILE *f = fopen(file, "rb");
	must(f);
	size_t n = fread(bytes, 1, sizeof bytes, f), refused = 0;
	fclose(f);
	must(n < sizeof bytes);
	f = fopen(path, "wb");
	must(f && fwrite(bytes, 1, n, f) == n && !fclose(f));
	struct tensors t;
	ok(!weights_open(&t, path), "%s: a copy is read", file);
	tensors_close(&t);
	for (size_t m = n; m-- > 0;) {
		must(!truncate(path, (off_t)m));
		if (weights_open(&t, path) == -1) refused++;
		else tensors_close(&t);
	}
	ok(refused == n, "%s: %zu of %zu cuts refused", file, refused, n);
	unlink(path);
	free(path);
}

static void check_generator(void)
{
	static const char *const as[] = { "generator.pth", "generator-legacy.pth" };
	struct gan want, got;
	char path[64];

	if (!ok(!gan_load_sampler(&want, "tests/golden/generator.safetensors"), "safetensors"))
		return;
	ok(want.c.resolution == 32 && want.c.biggan.g_ch == 1 && want.c.class_cond &&
			!want.c.instance_cond && want.c.n_classes == 3, "its architecture");
	for (size_t i = 0; i < LEN(as); i++) {
		snprintf(path, sizeof path, "tests/golden/%s", as[i]);
		bool good = !gan_load_sampler(&got, path);
		ok(good && got.gp.total == want.gp.total &&
				!memcmp(got.ema, want.ema, want.gp.total * sizeof *want.ema),
			"%s holds the same generator: %s", as[i], good ? "read" : why());
		if (good) gan_free(&got);
	}
	gan_free(&want);
}

/* The pickle of {"w": 5}, as the page of the format shows it. */
static void check_page(void)
{
	FILE *f = fopen("man/ic-weights.5", "r");
	char line[256], bytes[32];
	size_t n = 0;
	unsigned byte;
	int used;
	struct pickle p = { 0 };

	must(f);
	while (fgets(line, sizeof line, f))
		if (!strncmp(line, "00000000:", 9))
			for (char *at = line + 9; n < sizeof bytes &&
			     sscanf(at, " %2x%n", &byte, &used) == 1; at += used)
				bytes[n++] = (char)byte;
	fclose(f);
	bool good = !pickle_read(&p, "page", bytes, n);
	ok(good && p.used == n && p.root->kind == PICKLE_DICT && p.root->n == 2 &&
			pickle_says(p.root->child[0], "w") && p.root->child[1]->i == 5,
		"the example of ic-weights(5): %s", good ? "read" : why());
	pickle_free(&p);
}

int main(void)
{
	check_page();
	check_numbers();
	check_texts();
	check_calls();
	check_refusals();
	check_meta(WEIGHTS "zip_longtail.pth", "chosen", "state_dict_best/feat_model");
	check_meta(WEIGHTS "zip_moco.pth", "stripped", "module.encoder_q.");
	check_meta(WEIGHTS "zip_moco.pth", "left out", "module.encoder_k.conv1.weight");
	check_meta(WEIGHTS "zip_dino.pth", "chosen", "teacher");
	check_meta(WEIGHTS "zip_dino.pth", "stripped", "module.backbone.");
	check_meta(WEIGHTS "zip_dino.pth", "left out", "module.head.mlp.0.weight");
	check_meta(WEIGHTS "legacy_swav.pth.tar", "stripped", "module.");
	check_meta(WEIGHTS "zip_dtypes.pth", "left out", "c64");
	check_script();
	check_bad_scripts();
	check_snapshot();
	check_module();
	check_bad_modules();
	check_many();
	check_cuts(WEIGHTS "zip_basic.pth");
	check_cuts(WEIGHTS "zip_rezipped_deflate.pth");
	check_cuts(WEIGHTS "legacy_views.pth");
	check_cuts(WEIGHTS "modules_one.pkl");
	check_generator();
	return done_testing();
}

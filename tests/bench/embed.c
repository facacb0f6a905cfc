/* embed: a network alone, on numbers that are no pictures: embed NET BATCH THREADS REPEATS prints
 * NET, the way, and the least seconds and processor seconds of a batch; then multiply-adds of a
 * picture, what they are a second, over sgemm's rate.  NET is one of peer/embed.py; weights are the
 * formula of the tests.  With a fifth operand, any, also the time of each kind of step.  THREADS
 * may be a device instead, as backend.c names it: then the whole batch is one program. */
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/base/say.h"
#include "lib/nets/clip_rn50.h"
#include "lib/nets/efficientnet.h"
#include "lib/nets/inception.h"
#include "lib/nets/resnet.h"
#include "lib/nets/together.h"
#include "lib/nets/vit.h"
#include "tests/bench/peak.h"
#include "tests/formula.h"

#include <ctype.h>

static const struct {
	const char *name, *table;
	val (*build)(struct folded *, val x);
	int side;
	double eps;
} nets[] = {
	{ "resnet50", "resnet50_torchvision", resnet50, 224, 1e-5 },
	{ "inception-torchvision", "inception_torchvision", inception_torchvision, 299, 1e-3 },
	{ "efficientnet-lite0", "efficientnet_lite0", efficientnet_lite0, 224, 1e-3 },
	{ "clip-rn50", "clip_rn50_visual", clip_rn50, 224, 1e-5 },
	{ "clip-vitb32", "clip_vitb32_visual", vit_clip_b32, 224, 1e-5 },
	{ "dinov2-vits14", "dinov2_vits14", vit_dinov2_s14, 224, 1e-6 },
};

static val build(void *net, struct folded *f, val x)
{
	return nets[*(int *)net].build(f, x);
}

struct batch { struct worker *worker; int pictures, some; };

static void embed_some(void *ctx, int64_t i, int worker)
{
	struct batch *b = ctx;
	struct worker *w = &b->worker[worker];
	int first = (int)i * b->some, n = b->pictures - first;

	for (int k = 0; k < n && k < b->some; k++) worker_put(w, k);
	worker_get(w);
}

static double clock_of(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The least seconds of a batch by the clock on the wall and by the processor's. */
static void measure(struct batch *b, int repeats, double least[2])
{
	static const clockid_t clocks[2] = { CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID };
	int items = (b->pictures + b->some - 1) / b->some;

	least[0] = least[1] = 1e9;
	for (int i = 0; i <= repeats; i++) {         /* the first warms up */
		double start[2] = { clock_of(clocks[0]), clock_of(clocks[1]) };

		par_for(items, b, embed_some);
		for (int k = 0; k < 2 && i; k++)
			least[k] = fmin(least[k], clock_of(clocks[k]) - start[k]);
	}
}

/* The same of a device, the way there and back included. */
static void run_on_device(int net, int pictures, const char *name, int repeats)
{
	struct backend *b = backend_new(name, 0);
	struct tensors w = formula_tensors(nets[net].table, "", 1);
	struct folded layers = folded_start(&w, nets[net].eps);
	struct together all;
	double least = 1e9;

	folded_ignore(&layers, "fc");
	folded_ignore(&layers, "_fc");
	if (!b && fail("%s", backend_why())) die();
	if (together_open(&all, &layers, b, pictures, nets[net].side, build, &net)) die();
	size_t n = (size_t)pictures * all.input;
	real *x = mem_new(n, sizeof *x);
	real *f = mem_new((size_t)pictures * all.width, sizeof *f);
	for (size_t k = 0; k < n; k++) x[k] = (real)(k * 2654435761u % 1000) / 500 - 1;
	for (int i = 0; i <= repeats + 1; i++) {     /* the first two warm up and record */
		double start = clock_of(CLOCK_MONOTONIC);
		if (together_run(&all, pictures, x, f)) die();
		if (i > 1) least = fmin(least, clock_of(CLOCK_MONOTONIC) - start);
	}
	printf("%s\t%s\t%.4f\t%.0f\n", nets[net].name, name, least, pictures / least);
	free(x), free(f);
	together_close(&all);
	folded_free(&layers);
	tensors_close(&w);
	backend_free(b);
}

int main(int argc, char **argv)
{
	int net = 0, n = (int)LEN(nets);

	blas_start(argv);
	while (argc > 4 && net < n && strcmp(nets[net].name, argv[1])) net++;
	if (argc < 5 || net == n) return 2;
	if (isalpha((unsigned char)*argv[3])) {
		run_on_device(net, atoi(argv[2]), argv[3], atoi(argv[4]));
		return 0;
	}
	int threads = atoi(argv[3]), share = (atoi(argv[2]) + threads - 1) / threads;
	struct batch b = { mem_new((size_t)threads, sizeof *b.worker), atoi(argv[2]),
		share < WORKER_BATCH ? share : WORKER_BATCH };
	struct tensors w = formula_tensors(nets[net].table, "", 1);
	struct folded layers = folded_start(&w, nets[net].eps);
	double least[2], work = 0;

	folded_ignore(&layers, "fc");
	folded_ignore(&layers, "_fc");
	par_set_threads(threads);
	for (int i = 0; i < threads; i++) {
		if (worker_open(&b.worker[i], &layers, nets[net].side, build, &net)) die();
		for (int k = 0; k < nets[net].side * nets[net].side * 3; k++)
			b.worker[i].x[k] = (real)(k * 2654435761u % 1000) / 500 - 1;
		tape_profile(b.worker[i].first, argc > 5);
		if (b.worker[i].second) tape_profile(b.worker[i].second, argc > 5);
	}
	measure(&b, atoi(argv[4]), least);
	struct worker *one = b.worker;
	work = 1e-9 * (double)tape_multiply_adds(one->first);
	if (one->second) work += 1e-9 * (double)tape_multiply_adds(one->second) / WORKER_BATCH;
	double rate = work * b.pictures / (threads == 1 ? least[1] : least[0]);
	printf("%s\tic\t%.4f\t%.4f\t%.2f\t%.0f\t%.2f\n", argv[1], least[0], least[1], work, rate,
		2 * rate / peak_sgemm(threads));
	if (argc > 5) tape_profile_print(one->first, NULL, stdout);
	if (argc > 5 && one->second) tape_profile_print(one->second, NULL, stdout);
	for (int i = 0; i < threads; i++) worker_close(&b.worker[i]);
	free(b.worker);
	folded_free(&layers);
	tensors_close(&w);
	return 0;
}

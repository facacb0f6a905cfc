/* ic-train: images, features and neighbours -> checkpoint. */
#include "formats/lock.h"
#include "kernels/cpu/blas.h"
#include "lib/base/beside.h"
#include "lib/base/fail.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/opt.h"
#include "lib/base/par.h"
#include "lib/base/say.h"
#include "lib/gan/budget.h"
#include "lib/gan/train.h"
#include "lib/tape/device.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *out, *init, *preset, *flipped, *labels, *tape_file, *augment;
static int ch, batch = 16, accumulate = 1, d_steps = 1, device, precision, kept, on_collapse;
static int64_t steps = -1, seed, every = 10000, ema_start = 100, memory;
static double minutes = -1, lr_g = 4e-4, lr_d = 8e-4, ema = 0.995, class_temperature = 1;
static bool by_class, flip, compat, dry_run, profile, recompute;
static struct diffaug_policy policy;
static struct watch_plan plan = { .samples = 1024 };

static const struct opt opts[] = {
	{ 'o', "output", "FILE", "the checkpoint", OPT_STR, &out, 0, 0 },
	{ 0, "preset", "NAME|FILE",
	  "options of a published run, or of a file; those given as well count more", OPT_STR,
	  &preset, 0, 0 },
	{ 0, "steps", "N", "stop after this many steps", OPT_LONG, &steps, -1, 1e12 },
	{ 'm', "minutes", "M", "stop after this long; 0: the initial state", OPT_REAL, &minutes, -1,
	  1e7 },
	{ 0, "class", NULL, "condition on labels as well (alone, without features)", OPT_FLAG,
	  &by_class, 0, 0 },
	{ 0, "labels", "FILE", "labels for --class, by key, in place of those of the images",
	  OPT_STR, &labels, 0, 0 },
	{ 0, "class-temperature", "T",
	  "draw classes of fakes as count^(1/T), 0: evenly; not with features", OPT_REAL,
	  &class_temperature, 0, 1e6 },
	{ 0, "init", "LIST",
	  "begin with the weights of a checkpoint, or of generator,discriminator[,average]",
	  OPT_STR, &init, 0, 0 },
	{ 0, "ch", "N", "channel multiplier of both networks (0: 16, or as --init has it)", OPT_INT,
	  &ch, 0, 1024 },
	{ 'b', "batch", "N", "images at a time", OPT_INT, &batch, 2, 65536 },
	{ 0, "accumulate", "N", "batches to a step: their mean gradient moves the weights", OPT_INT,
	  &accumulate, 1, 65536 },
	{ 0, "lr-g", "X", "learning rate of the generator", OPT_REAL, &lr_g, 0, 1 },
	{ 0, "lr-d", "X", "learning rate of the discriminator", OPT_REAL, &lr_d, 0, 1 },
	{ 0, "d-steps", "N", "discriminator steps to one of the generator", OPT_INT, &d_steps, 1,
	  100 },
	{ 0, "ema", "X", "decay of the averaged generator", OPT_REAL, &ema, 0, 1 },
	{ 0, "ema-start", "N", "steps before it averages", OPT_LONG, &ema_start, 0, 1e12 },
	{ 0, "diffaug", "LIST",
	  "augment what the discriminator sees: translation, color, cutout, with commas", OPT_STR,
	  &augment, 0, 0 },
	{ 0, "flip", NULL, "mirror half of the images", OPT_FLAG, &flip, 0, 0 },
	{ 0, "flipped", "FILE",
	  "features of the mirrored images: condition on these half of the time", OPT_STR, &flipped,
	  0, 0 },
	{ 0, "compat", NULL, "load and score as the published code does, faults included", OPT_FLAG,
	  &compat, 0, 0 },
	{ 's', "seed", "N", "seed of weights, noise and order", OPT_LONG, &seed, 0, 9e15 },
	{ 0, "every", "N", "images between checkpoints, pictures and scores", OPT_LONG, &every, 1,
	  1e15 },
	{ 0, "log", "FILE", "losses and scores, JSON lines", OPT_STR, &plan.trail.log, 0, 0 },
	{ 0, "pictures", "FILE", "samples of fixed noise through time, a PAM stream of 16 a row",
	  OPT_STR, &plan.trail.pictures, 0, 0 },
	{ 0, "tb", "DIR", "losses, scores and pictures for TensorBoard", OPT_STR, &plan.trail.board,
	  0, 0 },
	{ 0, "instances", "FILE",
	  "features to condition pictures and scores on (default: the training features)", OPT_STR,
	  &plan.instances, 0, 0 },
	{ 0, "score", "FILE", "features of real images: measure the Frechet distance to them",
	  OPT_STR, &plan.score, 0, 0 },
	{ 0, "score-samples", "N", "samples to measure it with", OPT_INT, &plan.samples, 2,
	  1 << 24 },
	{ 0, "patience", "N", "stop after this many scores without a better one (0: never)",
	  OPT_INT, &plan.patience, 0, 1 << 30 },
	{ 0, "keep", "K", "keep the last K states as FILE.STEP", OPT_INT, &kept, 0, 1 << 20 },
	{ 0, "on-collapse", "warn|rollback|stop", "what to do when training has collapsed",
	  OPT_WORD, &on_collapse, 0, 0 },
	{ 0, "dry-run", NULL, "print sizes, memory and time, and write nothing", OPT_FLAG, &dry_run,
	  0, 0 },
	{ 0, "memory", "SIZE",
	  "take no more: refuse to begin, or with --dry-run find the largest batch (0: all there "
	  "is)",
	  OPT_SIZE, &memory, 0, 0 },
	{ 0, "profile", NULL, "at the end print the time of each kind of step", OPT_FLAG, &profile,
	  0, 0 },
	{ 0, "dump-tape", "FILE", "write the generator step's program as TSV", OPT_STR, &tape_file,
	  0, 0 },
	{ 0, "recompute", NULL,
	  "a third or more less memory for activations, a sixth more work, the same result",
	  OPT_FLAG, &recompute, 0, 0 },
	{ 'd', "device", DEVICES, "where to compute", OPT_WORD, &device, 0, 0 },
	{ 0, "precision", PRECISIONS, "of the factors in products on a GPU", OPT_WORD, &precision,
	  0, 0 },
	OPT_COMMON
};

static const char *yes_no(bool b)
{
	return b ? "true" : "false";
}

/* A hash of the weights that --init gives, or none. */
static const char *init_text(char text[17], const struct gan *g)
{
	struct hash h;

	if (!init) return "none";
	hash_start(&h);
	hash_add(&h, g->g, g->gp.total * sizeof *g->g);
	hash_add(&h, g->d, g->dp.total * sizeof *g->d);
	hash_add(&h, g->ema, g->gp.total * sizeof *g->ema);
	snprintf(text, 17, "%016" PRIx64, hash_end(&h));
	return text;
}

/* What the result depends on, beside the stores; a run is only taken up again with the same. */
static char *options_text(const struct gan *g, const struct data *d)
{
	char g_rate[32], d_rate[32], decay[32], even[32], id[17];

	return mem_text("class = %s\nlabels = %016" PRIx64 "\nclass-temperature = %s\nch = %d\n"
			"init = %s\nbatch = %d\naccumulate = %d\nlr-g = %s\nlr-d = %s\n"
			"d-steps = %d\nema = %s\nema-start = %" PRId64 "\ndiffaug = %s\n"
			"flip = %s\nflipped = %s\ncompat = %s\nevery = %" PRId64
			"\nresolution = %d\n",
			yes_no(by_class), d->labels_id, record_number(even, class_temperature),
			g->c.g_ch, init_text(id, g), batch, accumulate, record_number(g_rate, lr_g),
			record_number(d_rate, lr_d), d_steps, record_number(decay, ema), ema_start,
			augment ? augment : "none", yes_no(flip), yes_no(flipped), yes_no(compat),
			every, g->c.resolution);
}

/* The first line in which two option texts differ. */
static int same_options(const char *path, const char *left, const char *now)
{
	while (*left && *now) {
		size_t n = strcspn(left, "\n"), m = strcspn(now, "\n");
		if (n != m || strncmp(left, now, n))
			return fail("%s: left by a run with %.*s, now %.*s (-f starts afresh)",
				    path, (int)n, left, (int)m, now);
		left += n + (left[n] != 0);
		now += m + (now[m] != 0);
	}
	return 0;
}

static int same_run(const char *path, const struct gan *left, const struct gan *now)
{
	if (memcmp(&left->from, &now->from, sizeof left->from))
		return fail("%s: left by a run on other images, features or neighbours (-f starts "
			    "afresh)",
			    path);
	if (left->seed != now->seed)
		return fail("%s: left by a run with seed %" PRIu64 ", now %" PRIu64
			    " (-f starts afresh)",
			    path, left->seed, now->seed);
	return same_options(path, left->options ? left->options : "", now->options);
}

static struct biggan architecture(const struct data *d)
{
	struct biggan c = biggan_default();

	c.resolution = d->images.info.height;
	c.g_ch = c.d_ch = ch ? ch : 16;
	c.instance_cond = d->instance_cond;
	c.class_cond = by_class || !d->instance_cond;   /* neither: one class, the same for all */
	c.n_classes = by_class ? d->classes.count : 1;
	if (d->instance_cond) c.features = d->features.info.width;
	return c;
}

/* Can networks of --init be trained on these data and with these options?  want: what they ask for.
 */
static int check_init(const struct biggan *c, const struct biggan *want, const struct data *d)
{
	if (c->resolution != want->resolution)
		return fail("--init: found networks of %d pixels, expected %d as %s", c->resolution,
			    want->resolution, rows_path(&d->images));
	if (c->instance_cond != want->instance_cond || c->class_cond != want->class_cond)
		return fail("--init: found networks conditioned on%s%s, expected on%s%s",
			    c->instance_cond ? " instances" : "", c->class_cond ? " classes" : "",
			    want->instance_cond ? " instances" : "",
			    want->class_cond ? " classes" : "");
	if (c->instance_cond && c->features != want->features)
		return fail("--init: found networks for rows of %d, expected %d as %s", c->features,
			    want->features, rows_path(&d->features));
	if (c->class_cond && c->n_classes < want->n_classes)
		return fail("--init: found networks of %d classes, expected %d as %s", c->n_classes,
			    want->n_classes, rows_path(&d->images));
	if (ch && c->g_ch != ch)
		return fail("--init: found a generator of ch %d, expected %d by --ch", c->g_ch, ch);
	return 0;
}

static int first_state(struct gan *g, const struct data *d)
{
	struct biggan want = architecture(d);

	if (!init) return gan_new(g, &want, (uint64_t)seed);
	return gan_init(g, init, (uint64_t)seed) || check_init(&g->c, &want, d) ? -1 : 0;
}

/* A state that was left, in place of the present one, when it is of the same run. */
static int take_up(struct gan *g, struct gan *left, const char *path)
{
	if (same_run(path, left, g)) {
		gan_free(left);
		return -1;
	}
	gan_free(g);
	*g = *left;
	return 0;
}

/* What an unfinished run left; when it cannot be read, says what else there is. */
static int take_up_part(struct gan *g, const struct ring *r)
{
	struct gan left;

	if (!gan_load(&left, r->part)) return take_up(g, &left, r->part);
	int64_t step = r->keep ? ring_newest(r, INT64_MAX) : -1;
	char *what = mem_text("%s", why());
	if (step >= 0)
		fail("%s; %s.%" PRId64 " is an earlier state: moved to %s the run goes on from it",
		     what, r->name, step, r->part);
	free(what);
	return -1;
}

/* What a finished run left, when this one ends later. */
static int take_up_end(struct gan *g)
{
	struct gan left;
	const struct watch w = { .plan = plan, .s = &left };

	if (gan_load(&left, out)) {
		char *what = mem_text("%s", why());
		fail("%s; it exists, -f overwrites it", what);
		free(what);
		return -1;
	}
	if ((steps < 0 || left.step < steps) && minutes != 0 && !watch_enough(&w))
		return take_up(g, &left, out);
	if (!same_run(out, &left, g))
		fail("%s: exists, a run that ended after step %" PRId64 ", expected a later end; "
		     "-f starts afresh",
		     out, left.step);
	gan_free(&left);
	return -1;
}

/* With -f what cannot be taken up is none of this run's. */
static int refuse(void)
{
	if (!common.force) return -1;
	note("%s; starting afresh", why());
	return 0;
}

/* What an earlier run of the same command left, else fresh weights; a dry run has none. */
static int start(struct gan *g, struct data *d, const struct ring *r)
{
	const char *from = NULL;

	if (by_class && data_by_class(d, labels, class_temperature)) return -1;
	d->flip = flip;
	d->compat = compat;
	d->step_batches = d_steps * accumulate;
	int side = d->images.info.height;
	if (!biggan_trains(side))
		return fail("%s: images of %d pixels, expected a side of 32, 64, 128 or 256",
			    rows_path(&d->images), side);
	if (dry_run && !init) {
		struct biggan c = architecture(d);
		if (gan_shape(g, &c)) return -1;
	} else if (first_state(g, d)) {
		return -1;
	}
	g->from = (struct lineage){ d->images.info.id, d->features.info.id, d->near.info.id };
	g->options = options_text(g, d);
	if (d->instance_cond) g->features_meta = mem_text("%s", d->features.info.meta);
	if (dry_run) return 0;
	if (!access(out, F_OK)) {
		if (!take_up_end(g)) from = out;
		else if (refuse()) return -1;
	}
	if (!access(r->part, F_OK)) {
		if (!take_up_part(g, r)) from = r->part;
		else if (refuse()) return -1;
	}
	if (!from) return ring_begin(r, common.force);
	note("%s: going on after step %" PRId64, from, g->step);
	return ring_resume(r, g->step);
}

/* Images of each kind that a step shows the generator. */
static int64_t a_step(void)
{
	return (int64_t)batch * accumulate;
}

static double mib(size_t bytes)
{
	return (double)bytes / 1048576;
}

static void announce(const struct gan *g, const struct budget *m, int64_t images,
		     const struct backend *b)
{
	note("%" PRId64 " images of %d pixels; generator %.2f M values, discriminator %.2f M; "
	     "memory: weights %.0f MiB, optimiser %.0f MiB, activations and workspace %.0f MiB; "
	     "%.1f GFLOP a batch",
	     images, g->c.resolution, (double)m->generator / 1e6, (double)m->discriminator / 1e6,
	     mib(m->weights), mib(m->optimiser), mib(m->activations + m->workspace),
	     2e-9 * (double)m->work);
	if (b->engine) note("products by %s", b->engine);
	const char *o = g->options;
	for (size_t n; common.verbose && *o; o += n + 1) {
		n = strcspn(o, "\n");
		note("%.*s", (int)n, o);
	}
}

static int pictures(void)
{
	const struct trail_plan *t = &plan.trail;

	return t->pictures || t->board || plan.score ? TRAIL_PICTURES : 0;
}

/* What a run of this size would need, when it is more than it may take. */
static int check_memory(const struct biggan *c, const struct recipe *r, const struct budget *m,
			struct backend *b)
{
	struct recipe again = *r;

	if (!memory || budget_total(m) <= (size_t)memory) return 0;
	again.recompute = true;
	return fail("--memory: batches of %d take %.1f MiB, expected at most %.1f; the largest "
		    "that fit are of %d, with --recompute of %d",
		    r->batch, mib(budget_total(m)), mib((size_t)memory),
		    budget_batch(c, r, pictures(), (size_t)memory, b),
		    budget_batch(c, &again, pictures(), (size_t)memory, b));
}

static size_t machine_memory(void)
{
	return (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
}

/* The one line of a dry run. */
static int rehearse(const struct gan *g, const struct recipe *r, const struct budget *m,
		    struct data *d, struct backend *b)
{
	struct record line = record_begin(stdout);
	size_t most = memory ? (size_t)memory : machine_memory();
	double seconds;

	if (budget_probe(&seconds, &g->c, r, d, b)) return -1;
	record_int(&line, "images", d->n);
	record_int(&line, "side", g->c.resolution);
	record_int(&line, "generator", m->generator);
	record_int(&line, "discriminator", m->discriminator);
	record_int(&line, "weights_bytes", (int64_t)m->weights);
	record_int(&line, "optimiser_bytes", (int64_t)m->optimiser);
	record_int(&line, "activations_bytes", (int64_t)m->activations);
	record_int(&line, "workspace_bytes", (int64_t)m->workspace);
	record_int(&line, "total_bytes", (int64_t)budget_total(m));
	record_int(&line, "steps_per_epoch", d->n / (a_step() * d_steps));
	record_real(&line, "seconds_per_1000", round(seconds * 1e6) / 1e3);
	record_int(&line, "largest_batch", budget_batch(&g->c, r, pictures(), most, b));
	record_end(&line);
	return 0;
}

static int dump(const struct tape *t)
{
	FILE *f = fopen(tape_file, "w");

	if (!f) return fail("%s:", tape_file);
	tape_dump(t, f);
	return fclose(f) ? fail("%s:", tape_file) : 0;
}

static void tell(const char *line)
{
	warn("%s", line);
}

/* From the state in place to the end; the number of images that it took. */
static int whole_run(struct train *r, int64_t *images)
{
	struct phases *p = r->p;
	struct watch w = { 0 };
	int64_t first = p->s->step;
	int bad = watch_open(&w, p, &plan);

	r->w = &w;
	tape_profile(p->d.t, profile);
	tape_profile(p->g.t, profile);
	bad = bad || train_run(r);
	if (!bad && profile) {
		tape_profile_print(p->d.t, NULL, stderr);
		tape_profile_print(p->g.t, NULL, stderr);
	}
	*images = (p->s->step - first) * a_step();
	watch_close(&w);
	return bad;
}

static int run(char **operand, int n, const char *part, int64_t *images)
{
	struct data d;
	struct gan g = { 0 };
	struct phases p = { 0 };
	struct budget m = { 0 };
	struct recipe recipe = { .batch = batch,
				 .accumulate = accumulate,
				 .d_steps = d_steps,
				 .g = { lr_g, 0, 0.999, 1e-6 },
				 .d = { lr_d, 0, 0.999, 1e-6 },
				 .ema_decay = ema,
				 .ema_start = ema_start,
				 .aug = policy,
				 .recompute = recompute };
	struct train r = { .p = &p,
			   .d = &d,
			   .ring = { out, part, kept, plan.score },
			   .steps = steps,
			   .minutes = minutes,
			   .on_collapse = (enum on_collapse)on_collapse,
			   .tell = tell };
	struct backend *b = device_open(device, precision, par_threads());
	int bad = !b || data_open(&d, operand[0], n > 1 ? operand[1] : NULL,
				  n > 1 ? operand[2] : NULL, flipped);

	if (!bad && n > 1 && !plan.instances) plan.instances = operand[1];
	plan.trail.a_step = a_step();
	plan.data = &d;
	plan.training_batch = compat ? batch : 0;
	plan.every = every;
	bad = bad || start(&g, &d, &r.ring) ||
	      budget_make(&m, &g.c, &recipe, pictures(), b);
	if (!bad) announce(&g, &m, d.n, b);
	bad = bad || (!dry_run && check_memory(&g.c, &recipe, &m, b)) ||
	      (dry_run ? phase_plan : phase_open)(&p, &g, &recipe, b);
	if (!bad && tape_file) bad = dump(p.g.t);
	bad = bad || (dry_run ? rehearse(&g, &recipe, &m, &d, b) : whole_run(&r, images));
	phase_close(&p);
	gan_free(&g);
	data_close(&d);
	backend_free(b);
	return bad;
}

/* A file when it says where, a name without slash or dot is one of those that come along. */
static void take_preset(void)
{
	char path[PATH_MAX];

	if (strpbrk(preset, "/.")) {
		opt_file(preset, opts, LEN(opts));
		return;
	}
	char *file = mem_text("%s.conf", preset);
	if (beside_find("presets", file, path)) misuse("--preset: %s; ic-train(1) has the names", why());
	opt_file(path, opts, LEN(opts));
	free(file);
}

static int check_output(void)
{
	struct stat st;

	if (stat(out, &st)) return 0;
	return S_ISREG(st.st_mode) ? 0 : fail("%s: not a regular file, expected one or none", out);
}

static void check_use(int operands)
{
	if (operands != 1 && operands != 3)
		misuse("found %d operands, expected images, or images, features and neighbours",
		       operands);
	if (diffaug_parse(&policy, augment)) misuse("--diffaug: %s", why());
	if (flipped && operands == 1) misuse("--flipped: no features given");
	if (plan.patience && !plan.score) misuse("--patience: no scores without --score");
	if (on_collapse == TRAIN_ROLLBACK && !kept) misuse("--on-collapse rollback: needs --keep");
	if (labels && !by_class) misuse("--labels: without --class nothing uses them");
	if (class_temperature != 1 && (!by_class || operands > 1))
		misuse("--class-temperature: only with --class and without features, where labels "
		       "are those of neighbours");
	if (dry_run) return;
	if (!out || !strcmp(out, "-")) misuse("no output given: -o FILE");
	if (steps < 0 && minutes < 0 && !plan.patience)
		misuse("no end given: --steps, --minutes or --patience");
}

int main(int argc, char **argv)
{
	int64_t images = 0;
	char *part = NULL;
	struct lock lock = { 0 };

	blas_start(argv);
	int i = opt_parse(argc, argv, "images [features neighbours]",
			  "train a generator of pictures", opts, LEN(opts));
	if (preset) take_preset();
	check_use(argc - i);
	if (!dry_run) {
		if (check_output() || lock_take(&lock, out)) die();
		part = mem_text("%s.part", out);
	}
	int bad = run(argv + i, argc - i, part, &images);
	lock_drop(&lock);
	if (bad) die();
	free(part);
	return done(images, "images");
}

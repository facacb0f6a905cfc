/* ic-train: images, features and neighbours -> checkpoint. */
#include "formats/lock.h"
#include "formats/part.h"
#include "kernels/cpu/blas.h"
#include "lib/base/beside.h"
#include "lib/base/fail.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/opt.h"
#include "lib/base/par.h"
#include "lib/base/say.h"
#include "lib/gan/again.h"
#include "lib/gan/budget.h"
#include "lib/gan/init.h"
#include "lib/gan/train.h"
#include "lib/tape/device.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Defaults of what StyleGAN2 alone takes. */
#define PATH 2
#define MIXING 0.9
enum { R1_EVERY = 16, PATH_EVERY = 4 };

static const char *out, *init, *preset, *flipped, *labels, *tape_file, *augment;
static int backbone, ch, batch = 16, accumulate = 1, d_steps = 1, device, precision, kept;
static int on_collapse, r1_every = R1_EVERY, path_every = PATH_EVERY, layers;
static int64_t steps = -1, seed, every = 10000, ema_start = -1, memory;
static double minutes = -1, lr_g = -1, lr_d = -1, ema = -1, class_temperature = 1;
static double r1 = -1, path = PATH, mixing = MIXING, ema_ramp = -1;
static bool by_class, flip, compat, dry_run, profile, recompute;
static struct diffaug_policy policy;
static struct watch_plan plan = { .samples = 1024 };

static const struct opt opts[] = {
	{ 'o', "output", "FILE", "the checkpoint", OPT_OUT, &out, 0, 0 },
	{ 0, "preset", "NAME|FILE",
	  "options of a published run, or of a file; those given as well count more", OPT_STR,
	  &preset, 0, 0 },
	{ 0, "backbone", "biggan|stylegan2", "the networks and their losses", OPT_WORD, &backbone,
	  0, 0 },
	{ 0, "steps", "N", "stop after this many steps", OPT_LONG, &steps, -1, 1e12 },
	{ 'm', "minutes", "M", "stop after so many minutes; 0: the initial state", OPT_REAL,
	  &minutes, -1, 1e7 },
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
	{ 0, "ch", "N", "channel multiplier of both networks (0: 16, StyleGAN2 8, or as --init "
	  "has it)", OPT_INT, &ch, 0, 1024 },
	{ 'b', "batch", "N", "images at a time", OPT_INT, &batch, 2, 65536 },
	{ 0, "accumulate", "N", "batches to a step: their mean gradient moves the weights", OPT_INT,
	  &accumulate, 1, 65536 },
	{ 0, "lr-g", "X", "learning rate of the generator (-1: 4e-4, StyleGAN2 2.5e-3)",
	  OPT_REAL, &lr_g, -1, 1 },
	{ 0, "lr-d", "X", "learning rate of the discriminator (-1: 8e-4, StyleGAN2 2.5e-3)",
	  OPT_REAL, &lr_d, -1, 1 },
	{ 0, "d-steps", "N", "discriminator steps to one of the generator", OPT_INT, &d_steps, 1,
	  100 },
	{ 0, "ema", "X", "decay of the averaged generator (-1: 0.995, StyleGAN2 0.9978)", OPT_REAL,
	  &ema, -1, 1 },
	{ 0, "ema-start", "N", "steps before it averages (-1: 100, StyleGAN2 and --init 0)", OPT_LONG,
	  &ema_start, -1, 1e12 },
	{ 0, "ema-ramp", "X", "StyleGAN2: it looks back at most this share of the run (0: no bound, "
	  "-1: 0.05, with --init 0)", OPT_REAL, &ema_ramp, -1, 1e6 },
	{ 0, "r1", "X", "StyleGAN2: gamma of R1 (0: none, -1: 0.0002 side^2 / images of a step)",
	  OPT_REAL, &r1, -1, 1e6 },
	{ 0, "r1-every", "N", "StyleGAN2: steps from one R1 to the next", OPT_INT, &r1_every, 1,
	  1 << 20 },
	{ 0, "path", "X", "StyleGAN2: weight of the path length (0: none)", OPT_REAL, &path, 0,
	  1e6 },
	{ 0, "path-every", "N", "StyleGAN2: steps from one path length to the next", OPT_INT,
	  &path_every, 1, 1 << 20 },
	{ 0, "mixing", "P", "StyleGAN2: share of batches of two styles", OPT_REAL, &mixing, 0, 1 },
	{ 0, "layers", "N",
	  "StyleGAN2: dense layers of the generator's mapping (0: 2, or as --init has it)",
	  OPT_INT, &layers, 0, 32 },
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
	{ 0, "log", "FILE", "losses and scores, JSON lines", OPT_OUT, &plan.trail.log, 0, 0 },
	{ 0, "pictures", "FILE", "samples of fixed noise through time, a PAM stream of 16 a row",
	  OPT_OUT, &plan.trail.pictures, 0, 0 },
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
	{ 0, "dump-tape", "FILE", "write the generator step's program as TSV", OPT_OUT, &tape_file,
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

static bool is_stylegan2(void)
{
	return backbone == STYLEGAN2;
}

/* What --ch means: of StyleGAN2, 256 times as many channels by the side, at most 32 times and 512;
 * 64 is the published network. */
static int multiplier(void) { return ch ? ch : is_stylegan2() ? 8 : 16; }
static int channel_base(void) { return 256 * multiplier(); }
static int channel_max(void) { return multiplier() < 16 ? 32 * multiplier() : 512; }

/* Adam makes every / (every + 1) of its moves for the loss, and has its rates slowed by as much
 * (Karras et al. 2020, arXiv 1912.04958, appendix B). */
static struct adam slowed(double rate, double weight, int every_)
{
	double share = weight > 0 ? (double)every_ / (every_ + 1) : 1;
	return (struct adam){ rate * share, 0, pow(0.99, share), 1e-8 };
}

/* The defaults that depend on others. */
static void settle(int side)
{
	bool style = is_stylegan2();

	if (lr_g < 0) lr_g = style ? 2.5e-3 : 4e-4;
	if (lr_d < 0) lr_d = style ? 2.5e-3 : 8e-4;
	if (ema < 0) ema = style ? 0.9978 : 0.995;
	if (ema_start < 0) ema_start = style || init ? 0 : 100;
	if (ema_ramp < 0) ema_ramp = init ? 0 : 0.05;
	if (r1 < 0) r1 = 2e-4 * side * side / batch / accumulate;
}

static struct recipe recipe_of(void)
{
	struct recipe r = { .batch = batch,
			    .accumulate = accumulate,
			    .d_steps = d_steps,
			    .g = { lr_g, 0, 0.999, 1e-6 },
			    .d = { lr_d, 0, 0.999, 1e-6 },
			    .ema_decay = ema,
			    .ema_start = ema_start,
			    .aug = policy,
			    .recompute = recompute };

	if (!is_stylegan2()) return r;
	r.g = slowed(lr_g, path, path_every);
	r.d = slowed(lr_d, r1, r1_every);
	r.style = (struct style_recipe){ .mixing = mixing,
					 .r1 = r1,
					 .path = path,
					 .path_decay = 0.01,
					 .r1_every = r1_every,
					 .path_every = path_every,
					 .ema_ramp = ema_ramp };
	return r;
}

/* What is StyleGAN2's alone, with a line break before it. */
static char *style_text(const struct gan *g)
{
	char w[32], l[32], m[32], e[32];
	const struct stylegan2 *c = &g->c.stylegan2;

	if (!is_stylegan2()) return mem_text("%s", "");
	return mem_text("backbone = stylegan2\nchannels = %d / side, at most %d\nlayers = %d\n"
			"r1 = %s\nr1-every = %d\npath = %s\npath-every = %d\nmixing = %s\n"
			"ema-ramp = %s\n",
			c->channel_base, c->channel_max, c->g_layers, record_number(w, r1), r1_every,
			record_number(l, path), path_every, record_number(m, mixing),
			record_number(e, ema_ramp));
}

/* What the result depends on, beside the stores; a run is only taken up again with the same. */
static char *options_text(const struct gan *g, const struct data *d)
{
	char g_rate[32], d_rate[32], decay[32], even[32], id[17], *style = style_text(g);

	char *text = mem_text("class = %s\nlabels = %016" PRIx64 "\nclass-temperature = %s\nch = %d\n"
			"init = %s\nbatch = %d\naccumulate = %d\nlr-g = %s\nlr-d = %s\n"
			"d-steps = %d\nema = %s\nema-start = %" PRId64 "\ndiffaug = %s\n"
			"flip = %s\nflipped = %s\ncompat = %s\nevery = %" PRId64
			"\nresolution = %d\n%s",
			yes_no(by_class), d->labels_id, record_number(even, class_temperature),
			is_stylegan2() ? g->c.stylegan2.channel_base / 256 : g->c.biggan.g_ch,
			init_text(id, g), batch, accumulate, record_number(g_rate, lr_g),
			record_number(d_rate, lr_d), d_steps, record_number(decay, ema), ema_start,
			augment ? augment : "none", yes_no(flip), yes_no(flipped), yes_no(compat),
			every, g->c.resolution, style);
	free(style);
	return text;
}

static struct model architecture(const struct data *d)
{
	struct model c = { .backbone = (enum backbone)backbone };

	if (is_stylegan2()) {
		c.stylegan2 = stylegan2_default();
		c.stylegan2.channel_base = channel_base();
		c.stylegan2.channel_max = channel_max();
		if (layers) c.stylegan2.g_layers = layers;
	} else {
		c.biggan = biggan_default();
		c.biggan.g_ch = c.biggan.d_ch = multiplier();
	}
	c.resolution = d->images.info.height;
	c.instance_cond = d->instance_cond;
	/* BigGAN with neither: one class, the same for all */
	c.class_cond = by_class || (!is_stylegan2() && !d->instance_cond);
	c.n_classes = by_class ? d->classes.count : 1;
	if (d->instance_cond) c.features = d->features.info.width;
	return c;
}

/* Pictures whose deviation StyleGAN2's discriminator sees together are all of a batch, or parts. */
static int check_groups(const struct model *c)
{
	int group = c->stylegan2.group;

	if (!is_stylegan2() || batch <= group || batch % group == 0) return 0;
	return fail("--batch: found %d, expected a multiple of %d, which StyleGAN2's discriminator "
		    "looks at together", batch, group);
}

static int first_state(struct gan *g, const struct data *d)
{
	struct model want = architecture(d);

	if (!init) return gan_new(g, &want, (uint64_t)seed);
	return gan_init(g, init, (uint64_t)seed) ||
	       init_check(&g->c, &want, d, ch != 0, layers != 0) ? -1 : 0;
}

/* What an earlier run of the same command left, else fresh weights; a dry run has none. */
static int start(struct gan *g, struct data *d, const struct ring *r)
{
	if (by_class && data_by_class(d, labels, class_temperature)) return -1;
	d->flip = flip;
	d->compat = compat;
	d->step_batches = d_steps * accumulate;
	int side = d->images.info.height;
	settle(side);
	if (is_stylegan2() && (side < 8 || side > 1024 || side & (side - 1)))
		return fail("%s: images of %d pixels, expected a side of 8, 16, 32 ... 1024",
			    rows_path(&d->images), side);
	if (is_stylegan2() && !init && channel_base() < side)
		return fail("--ch: found %d, expected at least %d for images of %d pixels",
			    multiplier(), side / 256, side);
	if (!is_stylegan2() && !biggan_trains(side))
		return fail("%s: images of %d pixels, expected a side of 32, 64, 128 or 256",
			    rows_path(&d->images), side);
	if (dry_run && !init) {
		struct model c = architecture(d);
		if (gan_shape(g, &c)) return -1;
	} else if (first_state(g, d)) {
		return -1;
	}
	if (check_groups(&g->c)) return -1;
	g->from = (struct lineage){ d->images.info.id, d->features.info.id, d->near.info.id };
	g->options = options_text(g, d);
	if (d->instance_cond) g->features_meta = mem_text("%s", d->features.info.meta);
	if (dry_run) return 0;
	struct again a = { r, &plan, steps, minutes != 0, common.force };
	return again_start(&a, g);
}

/* Images of a step, as they are counted: those that move the generator. */
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
static int check_memory(const struct model *c, const struct recipe *r, const struct budget *m,
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
	struct part part;

	if (part_open(&part, tape_file, true)) return -1;
	tape_dump(t, part.f);
	return part_close(&part);
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
	for (int i = 0; i < PHASES; i++)
		if (p->each[i].t) tape_profile(p->each[i].t, profile);
	bad = bad || train_run(r);
	for (int i = 0; i < PHASES && !bad && profile; i++)
		if (p->each[i].t) tape_profile_print(p->each[i].t, NULL, stderr);
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
	struct recipe recipe;
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
	bad = bad || start(&g, &d, &r.ring);
	recipe = recipe_of();
	bad = bad || budget_make(&m, &g.c, &recipe, pictures(), b);
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
	if (beside_find("presets", file, path))
		misuse("--preset: %s; ic-train(1) has the names", why());
	opt_file(path, opts, LEN(opts));
	free(file);
}

static int check_output(void)
{
	struct stat st;

	if (!stat(out, &st) && !S_ISREG(st.st_mode))
		return fail("%s: not a regular file, expected one or none", out);
	return plan.trail.pictures && !strcmp(plan.trail.pictures, "-") ? binary_stdout() : 0;
}

/* What the networks and losses of one backbone alone know, and faults of its published code. */
static void check_backbone(void)
{
	bool style = is_stylegan2();
	const struct { const char *name; bool set, style; } one[] = {
		{ "compat", compat, false },
		{ "d-steps", d_steps != 1, false },
		{ "r1", r1 != -1, true },
		{ "r1-every", r1_every != R1_EVERY, true },
		{ "path", path != PATH, true },
		{ "path-every", path_every != PATH_EVERY, true },
		{ "mixing", mixing != MIXING, true },
		{ "layers", layers, true },
		{ "ema-ramp", ema_ramp != -1, true },
	};

	for (size_t i = 0; i < LEN(one); i++)
		if (one[i].set && one[i].style != style)
			misuse("--%s: of --backbone %s alone", one[i].name,
			       style ? "biggan" : "stylegan2");
}

/* Below zero -1 alone means something. */
static void check_rates(void)
{
	const struct { const char *name; double x; } one[] = {
		{ "lr-g", lr_g }, { "lr-d", lr_d }, { "ema", ema }, { "r1", r1 },
		{ "ema-ramp", ema_ramp }
	};

	for (size_t i = 0; i < LEN(one); i++)
		if (one[i].x < 0 && one[i].x != -1)
			misuse("--%s: found %g, expected -1, or 0 and more", one[i].name, one[i].x);
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
	check_backbone();
	check_rates();
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
	if (preset) {
		take_preset();
		opt_check_outputs(argv + i, argc - i, opts, LEN(opts));
	}
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

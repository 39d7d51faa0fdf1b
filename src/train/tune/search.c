/* Asking and telling. A method's brackets are opened in their order; within a bracket a rung begins
 * when all of the one before were told. That order alone numbers the trials, so nothing depends on
 * which of those that run side by side ends first. */
#include "train/tune/methods.h"
#include "train/tune/space.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

/* A bracket that was opened. The members of its rung are numbers of trials, `asked` of them handed
 * out, `told` of them told. */
typedef struct open_bracket {
    fm_bracket plan;
    int64_t *members;
    int64_t count, asked, told;
    int rung;
    bool over;
} open_bracket;

struct fm_search {
    fm_context *context;
    fm_arena arena;
    fm_space space;
    fm_search_options options;
    const fm_method *method;
    int64_t pass;

    fm_trial *trials;
    size_t trial_count, trial_capacity;
    open_bracket *brackets;
    size_t bracket_count, bracket_capacity;
    size_t first_open;    /* brackets before it are over */
    int64_t epochs;       /* planned for the brackets opened */
    int64_t grid_size;    /* trials of a grid */
    int64_t *grid_digits; /* of the next one */
    size_t told_prefix;   /* so many trials from the first are told for good */
};

/* ---- making ---------------------------------------------------------------------------------- */

static fm_status copy_parameter(fm_arena *arena, const fm_parameter *from, fm_parameter *to)
{
    *to = *from;
    to->name = fm_arena_string(arena, from->name);
    if (!to->name) return FM_ERROR_MEMORY;
    if (from->kind != FM_PARAMETER_CHOICE) return FM_OK;
    const char **choices = fm_arena_allocate(arena, (size_t)from->choice_count * sizeof *choices);
    if (!choices) return FM_ERROR_MEMORY;
    for (int i = 0; i < from->choice_count; i++) {
        choices[i] = fm_arena_string(arena, from->choices[i]);
        if (!choices[i]) return FM_ERROR_MEMORY;
    }
    to->choices = choices;
    return FM_OK;
}

static fm_status copy_space(fm_search *search, const fm_space *space)
{
    fm_parameter *made = fm_arena_allocate(&search->arena, (size_t)space->count * sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    for (int i = 0; i < space->count; i++) {
        fm_status status = copy_parameter(&search->arena, &space->parameters[i], &made[i]);
        if (status != FM_OK) return status;
    }
    search->space = (fm_space){made, space->count};
    return FM_OK;
}

enum { LARGEST_GRID = 100000, LARGEST_BRACKET = 1000000 };

static fm_status count_grid(fm_search *search)
{
    const fm_space *space = &search->space;
    for (int i = 0; i < space->count; i++) {
        const fm_parameter *p = &space->parameters[i];
        if (p->kind == FM_PARAMETER_CHOICE || p->points || fm_parameter_step(p) > 0) continue;
        return fm_fail(search->context, FM_ERROR_ARGUMENT,
                       "%s: a grid needs a step, or how many points there shall be", p->name);
    }
    search->grid_digits = fm_arena_allocate(&search->arena, FM_MAX_PARAMETERS * sizeof(int64_t));
    if (!search->grid_digits) return FM_ERROR_MEMORY;
    int64_t digits[FM_MAX_PARAMETERS] = {0};
    do {
        if (search->grid_size++ < LARGEST_GRID) continue;
        return fm_fail(search->context, FM_ERROR_LIMIT,
                       "the grid has more than %d combinations; fewer points or steps, or random "
                       "search",
                       LARGEST_GRID);
    } while (fm_grid_next(space, digits));
    return FM_OK;
}

static int64_t bracket_epochs(const fm_bracket *bracket)
{
    int64_t sum = 0, before = 0;
    for (int i = 0; i < bracket->rungs; i++) {
        sum += bracket->trials[i] * (bracket->epochs[i] - before);
        before = bracket->epochs[i];
    }
    return sum;
}

static bool fits(const fm_search *search, const fm_bracket *next, int64_t trials, int64_t epochs)
{
    const fm_search_options *o = &search->options;
    if (o->trials && trials + next->trials[0] > o->trials) return false;
    return !o->epochs || epochs + bracket_epochs(next) <= o->epochs;
}

static fm_status check_first_bracket(fm_search *search)
{
    fm_bracket first;
    search->method->bracket(&search->options, 0, &first);
    if (first.trials[0] > LARGEST_BRACKET) {
        return fm_fail(search->context, FM_ERROR_LIMIT,
                       "%s would begin with %lld trials, more than %d: fewer epochs each, or a "
                       "larger eta or min_epochs",
                       search->method->record.name, (long long)first.trials[0], LARGEST_BRACKET);
    }
    if (fits(search, &first, 0, 0)) return FM_OK;
    return fm_fail(search->context, FM_ERROR_ARGUMENT,
                   "the budget does not hold the first bracket of %s: it has %lld trial%s and %lld "
                   "epochs",
                   search->method->record.name, (long long)first.trials[0],
                   first.trials[0] == 1 ? "" : "s", (long long)bracket_epochs(&first));
}

fm_status fm_search_create(fm_context *context, const fm_space *space,
                           const fm_search_options *options, fm_search **search)
{
    *search = NULL;
    fm_search_options complete = options ? *options : (fm_search_options){0};
    fm_status status = fm_search_options_complete(context, &complete);
    if (status == FM_OK) status = fm_space_check(context, space, NULL);
    if (status != FM_OK) return status;
    fm_search *made = fm_allocate_zeroed(context, sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    made->context = made->arena.context = context;
    made->options = complete;
    made->method = fm_method_of(&complete);
    made->pass = made->method->pass(&complete);
    status = copy_space(made, space);
    if (status == FM_OK && made->method->sampler == FM_SAMPLE_GRID) status = count_grid(made);
    if (status == FM_OK) status = check_first_bracket(made);
    if (status != FM_OK) {
        fm_search_destroy(made);
        return status;
    }
    *search = made;
    return FM_OK;
}

void fm_search_destroy(fm_search *search)
{
    if (!search) return;
    fm_release(search->context, search->trials);
    fm_release(search->context, search->brackets);
    fm_arena_release(&search->arena);
    fm_release(search->context, search);
}

const fm_space *fm_search_space(const fm_search *search)
{
    return &search->space;
}

const fm_search_options *fm_search_about(const fm_search *search)
{
    return &search->options;
}

/* ---- brackets ahead -------------------------------------------------------------------------- */

/* Brackets there are when no budget ends them; -1: for ever. */
static int64_t endless_count(const fm_search *search)
{
    if (search->method->sampler == FM_SAMPLE_GRID) return search->grid_size;
    bool budget = search->options.trials || search->options.epochs;
    return search->method->repeats || budget ? -1 : search->pass;
}

static void plan_bracket(const fm_search *search, int64_t index, fm_bracket *bracket)
{
    search->method->bracket(&search->options, index % search->pass, bracket);
}

/* Whole passes that the budget holds, and what they take. */
static int64_t whole_passes(const fm_search *search, int64_t *trials, int64_t *epochs)
{
    const fm_search_options *o = &search->options;
    int64_t count = INT64_MAX, last = endless_count(search);
    *trials = *epochs = 0;
    for (int64_t i = 0; i < search->pass; i++) {
        fm_bracket bracket;
        plan_bracket(search, i, &bracket);
        *trials += bracket.trials[0];
        *epochs += bracket_epochs(&bracket);
    }
    if (o->trials && o->trials / *trials < count) count = o->trials / *trials;
    if (o->epochs && o->epochs / *epochs < count) count = o->epochs / *epochs;
    if (last >= 0 && last / search->pass < count) count = last / search->pass;
    return count;
}

void fm_search_forecast(const fm_search *search, int64_t *trials, int64_t *epochs)
{
    int64_t last = endless_count(search), passes = whole_passes(search, trials, epochs);
    if (passes == INT64_MAX) {
        *trials = *epochs = -1;
        return;
    }
    *trials *= passes;
    *epochs *= passes;
    for (int64_t i = 0; i < search->pass && (last < 0 || passes * search->pass + i < last); i++) {
        fm_bracket bracket;
        plan_bracket(search, i, &bracket);
        if (!fits(search, &bracket, *trials, *epochs)) return;
        *trials += bracket.trials[0];
        *epochs += bracket_epochs(&bracket);
    }
}

void fm_search_bracket(const fm_search *search, int64_t index, fm_bracket *bracket)
{
    int64_t trials, epochs, last = endless_count(search);
    int64_t passes = whole_passes(search, &trials, &epochs);
    *bracket = (fm_bracket){0};
    if (index < 0 || (last >= 0 && index >= last)) return;
    fm_bracket next;
    if (passes == INT64_MAX || index / search->pass < passes) {
        plan_bracket(search, index, bracket);
        return;
    }
    trials *= passes;
    epochs *= passes;
    for (int64_t i = passes * search->pass; i <= index; i++) {
        plan_bracket(search, i, &next);
        if (!fits(search, &next, trials, epochs)) return;
        trials += next.trials[0];
        epochs += bracket_epochs(&next);
    }
    *bracket = next;
}

/* ---- proposing ------------------------------------------------------------------------------- */

static bool better(const fm_search *search, double a, double b)
{
    if (isnan(a) || isnan(b)) return !isnan(a) && isnan(b);
    return search->options.maximize ? a > b : a < b;
}

/* The best first, failures last; equal ones in their order. */
static void rank(const fm_search *search, int64_t *order, int64_t *scratch, int64_t count)
{
    for (int64_t width = 1; width < count; width *= 2) { /* merge sort, from below */
        for (int64_t from = 0; from < count; from += 2 * width) {
            int64_t middle = from + width < count ? from + width : count;
            int64_t end = middle + width < count ? middle + width : count;
            int64_t a = from, b = middle;
            for (int64_t i = from; i < end; i++) {
                bool second =
                    a == middle || (b < end && better(search, search->trials[order[b]].value,
                                                      search->trials[order[a]].value));
                scratch[i] = order[second ? b++ : a++];
            }
        }
        memcpy(order, scratch, (size_t)count * sizeof *order);
    }
}

static void draw_values(const fm_search *search, int64_t trial, int attempt, double *values)
{
    for (int i = 0; i < search->space.count; i++) {
        const fm_parameter *p = &search->space.parameters[i];
        fm_random random = fm_parameter_random(p, search->options.seed, trial, attempt);
        bool holds = fm_parameter_holds(&search->space, i, values);
        values[i] = holds ? fm_parameter_draw(p, &random) : (double)NAN;
    }
}

/* What the trials [0, count) say of parameter i; the first `good` of `order` are the good ones. */
static fm_observations observe(const fm_search *search, const int64_t *order, int64_t count,
                               int64_t good, int parameter, double *numbers)
{
    fm_observations seen = {.good = numbers, .other = numbers + good};
    for (int64_t i = 0; i < count; i++) {
        double value = search->trials[order[i]].values[parameter];
        if (isnan(value)) continue;
        if (i < good) {
            seen.good[seen.good_count++] = value;
        } else {
            seen.other[seen.other_count++] = value;
        }
    }
    return seen;
}

enum { MOST_GOOD = 25 };

typedef struct model {
    int64_t *order, *scratch;
    double *numbers; /* of observations, then the estimator's */
    int64_t count, good;
} model;

static void model_values(const fm_search *search, const model *m, int64_t trial, int attempt,
                         double *values)
{
    const fm_search_options *o = &search->options;
    for (int i = 0; i < search->space.count; i++) {
        const fm_parameter *p = &search->space.parameters[i];
        values[i] = (double)NAN;
        if (!fm_parameter_holds(&search->space, i, values)) continue;
        fm_random random = fm_parameter_random(p, o->seed, trial, attempt);
        fm_observations seen = observe(search, m->order, m->count, m->good, i, m->numbers);
        values[i] = fm_parzen_propose(p, &seen, (int)o->candidates, &random, m->numbers + m->count);
    }
}

static fm_status model_open(const fm_search *search, int64_t count, model *m)
{
    *m = (model){.count = count};
    m->order = fm_allocate_array(search->context, (size_t)count, 2 * sizeof *m->order);
    m->numbers = fm_allocate_array(search->context, (size_t)count + 2, 4 * sizeof(double));
    if (!m->order || !m->numbers) return FM_ERROR_MEMORY;
    m->scratch = m->order + count;
    for (int64_t i = 0; i < count; i++) m->order[i] = i;
    rank(search, m->order, m->scratch, count);
    m->good = (int64_t)ceil(search->options.gamma * (double)count);
    if (m->good > MOST_GOOD) m->good = MOST_GOOD;
    while (m->good > 0 && isnan(search->trials[m->order[m->good - 1]].value)) m->good--;
    return FM_OK;
}

static void model_close(const fm_search *search, model *m)
{
    fm_release(search->context, m->order);
    fm_release(search->context, m->numbers);
}

static bool is_known(const fm_search *search, const double *values)
{
    size_t size = (size_t)search->space.count * sizeof *values;
    for (size_t i = 0; i < search->trial_count; i++) {
        if (memcmp(search->trials[i].values, values, size) == 0) return true;
    }
    return false;
}

enum { ATTEMPTS = 20 }; /* to find values that no trial had, where few are possible */

static fm_status propose(fm_search *search, int64_t trial, double *values)
{
    const fm_search_options *o = &search->options;
    int64_t known = trial - o->delay + 1;
    model m = {0};
    if (search->method->sampler == FM_SAMPLE_GRID) {
        fm_grid_values(&search->space, search->grid_digits, values);
        (void)fm_grid_next(&search->space, search->grid_digits);
        return FM_OK;
    }
    bool modelled = search->method->sampler == FM_SAMPLE_PARZEN && trial >= o->startup && known > 0;
    fm_status status = modelled ? model_open(search, known, &m) : FM_OK;
    for (int attempt = 0; attempt < ATTEMPTS && status == FM_OK; attempt++) {
        if (modelled) {
            model_values(search, &m, trial, attempt, values);
        } else {
            draw_values(search, trial, attempt, values);
        }
        if (!is_known(search, values)) break;
    }
    model_close(search, &m);
    return status;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static fm_status add_trials(fm_search *search, int64_t count, int64_t *members)
{
    size_t first = search->trial_count;
    fm_status status = fm_grow(search->context, &search->trials, &search->trial_capacity,
                               first + (size_t)count, sizeof *search->trials);
    for (int64_t i = 0; i < count && status == FM_OK; i++) {
        double *values =
            fm_arena_allocate(&search->arena, (size_t)search->space.count * sizeof *values);
        int64_t number = (int64_t)search->trial_count;
        status = values ? propose(search, number, values) : FM_ERROR_MEMORY;
        if (status != FM_OK) break;
        members[i] = number;
        search->trials[search->trial_count++] =
            (fm_trial){.state = FM_TRIAL_WAITS,
                       .values = values,
                       .value = NAN,
                       .bracket = (int64_t)search->bracket_count};
    }
    if (status != FM_OK) search->trial_count = first;
    return status;
}

/* A trial of TPE is proposed when those that it is proposed from are known. */
static bool must_wait(const fm_search *search)
{
    if (search->method->sampler != FM_SAMPLE_PARZEN) return false;
    int64_t trial = (int64_t)search->trial_count, known = trial - search->options.delay + 1;
    return trial >= search->options.startup && known > (int64_t)search->told_prefix;
}

/* *opened stays false where there is none, or not yet. */
static fm_status open_next(fm_search *search, bool *opened, bool *waits)
{
    int64_t last = endless_count(search);
    fm_bracket plan;
    *opened = *waits = false;
    if (last >= 0 && (int64_t)search->bracket_count >= last) return FM_OK;
    plan_bracket(search, (int64_t)search->bracket_count, &plan);
    if (!fits(search, &plan, (int64_t)search->trial_count, search->epochs)) return FM_OK;
    *waits = must_wait(search);
    if (*waits) return FM_OK;
    fm_status status = fm_grow(search->context, &search->brackets, &search->bracket_capacity,
                               search->bracket_count + 1, sizeof *search->brackets);
    if (status != FM_OK) return status;
    size_t size = (size_t)plan.trials[0] * sizeof(int64_t);
    int64_t *members = fm_arena_allocate(&search->arena, 2 * size); /* half of it for ranking */
    status = members ? add_trials(search, plan.trials[0], members) : FM_ERROR_MEMORY;
    if (status != FM_OK) return status;
    search->brackets[search->bracket_count++] =
        (open_bracket){.plan = plan, .members = members, .count = plan.trials[0]};
    search->epochs += bracket_epochs(&plan);
    *opened = true;
    return FM_OK;
}

static void hand_out(fm_search *search, open_bracket *bracket, fm_trial_job *job)
{
    int64_t number = bracket->members[bracket->asked++];
    fm_trial *trial = &search->trials[number];
    trial->state = FM_TRIAL_RUNNING;
    *job = (fm_trial_job){
        .state = FM_JOB_READY,
        .trial = number,
        .values = trial->values,
        .from = bracket->rung > 0 ? bracket->plan.epochs[bracket->rung - 1] : 0,
        .to = bracket->plan.epochs[bracket->rung],
        .keep = bracket->rung + 1 < bracket->plan.rungs,
    };
}

fm_status fm_search_ask(fm_search *search, fm_trial_job *job)
{
    bool opened, waits, running = false;
    *job = (fm_trial_job){.state = FM_JOB_NONE, .trial = -1};
    for (size_t i = search->first_open; i < search->bracket_count; i++) {
        open_bracket *bracket = &search->brackets[i];
        if (bracket->over) continue;
        running = true;
        if (bracket->asked == bracket->count) continue;
        hand_out(search, bracket, job);
        return FM_OK;
    }
    fm_status status = open_next(search, &opened, &waits);
    if (status != FM_OK) return status;
    if (opened) {
        hand_out(search, &search->brackets[search->bracket_count - 1], job);
    } else if (waits || running) {
        job->state = FM_JOB_WAIT;
    }
    return FM_OK;
}

/* ---- telling --------------------------------------------------------------------------------- */

static void end_bracket(fm_search *search, open_bracket *bracket)
{
    bracket->over = true;
    while (search->first_open < search->bracket_count &&
           search->brackets[search->first_open].over) {
        search->first_open++;
    }
}

/* All of a rung were told: the best go on. */
static void next_rung(fm_search *search, open_bracket *bracket)
{
    int64_t *members = bracket->members, stay = 0;
    rank(search, members, members + bracket->plan.trials[0], bracket->count);
    if (bracket->rung + 1 < bracket->plan.rungs) stay = bracket->plan.trials[bracket->rung + 1];
    for (int64_t i = 0; i < bracket->count; i++) {
        fm_trial *trial = &search->trials[members[i]];
        if (trial->state == FM_TRIAL_FAILED && stay > i) stay = i;
        if (trial->state == FM_TRIAL_WAITS && i >= stay) trial->state = FM_TRIAL_DONE;
    }
    bracket->rung++;
    bracket->count = stay;
    bracket->asked = bracket->told = 0;
    for (int64_t i = 0; i < stay; i++) search->trials[members[i]].rung = bracket->rung;
    if (stay == 0) end_bracket(search, bracket);
}

fm_status fm_search_tell(fm_search *search, int64_t trial, double value)
{
    if (trial < 0 || trial >= (int64_t)search->trial_count ||
        search->trials[trial].state != FM_TRIAL_RUNNING) {
        return fm_fail(search->context, FM_ERROR_ARGUMENT,
                       "trial %lld does not run: it cannot be told", (long long)trial);
    }
    fm_trial *told = &search->trials[trial];
    open_bracket *bracket = &search->brackets[told->bracket];
    bool failed = !isfinite(value);
    told->state = failed ? FM_TRIAL_FAILED : FM_TRIAL_WAITS;
    told->value = failed ? (double)NAN : value;
    told->epochs = bracket->plan.epochs[bracket->rung];
    if (++bracket->told == bracket->count) next_rung(search, bracket);
    while (search->told_prefix < search->trial_count &&
           search->trials[search->told_prefix].state >= FM_TRIAL_DONE) {
        search->told_prefix++;
    }
    return FM_OK;
}

/* ---- looking --------------------------------------------------------------------------------- */

int64_t fm_search_trial_count(const fm_search *search)
{
    return (int64_t)search->trial_count;
}

fm_trial fm_search_trial(const fm_search *search, int64_t trial)
{
    const bool there = trial >= 0 && trial < (int64_t)search->trial_count;
    return there ? search->trials[trial] : (fm_trial){.state = FM_TRIAL_FAILED, .value = NAN};
}

int64_t fm_search_best(const fm_search *search)
{
    int64_t best = -1;
    for (int64_t i = 0; i < (int64_t)search->trial_count; i++) {
        double value = search->trials[i].value;
        if (isnan(value)) continue;
        if (best < 0 || better(search, value, search->trials[best].value)) best = i;
    }
    return best;
}

void fm_search_ranking(const fm_search *search, int64_t *order)
{
    int64_t count = (int64_t)search->trial_count;
    for (int64_t i = 0; i < count; i++) order[i] = i;
    rank(search, order, order + count, count);
}

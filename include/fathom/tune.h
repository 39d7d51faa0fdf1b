/* fathom/tune.h: searches for hyper-parameters. A search proposes trials and is told how they went;
 * it starts no process and trains nothing, so it serves loops of your own as well as `fathom tune`.
 *
 *     fm_search_create(context, &space, &(fm_search_options){.method = FM_HYPERBAND,
 *                                                            .epochs_each = 81}, &search);
 *     fm_trial_job job;
 *     while (fm_search_ask(search, &job) == FM_OK && job.state == FM_JOB_READY) {
 *         double loss = train(job.values, job.from, job.to);     your loop
 *         fm_search_tell(search, job.trial, loss);
 *     }
 *     fm_trial best = fm_search_trial(search, fm_search_best(search));
 *
 * Invariants
 *  - What is proposed depends on the space, the options and the values told, not on the order in
 *    which trials that run side by side end, nor on how many do: the same seed proposes the same
 *    trials. So a search that was interrupted is gone on with by telling a new one what is known.
 *  - A trial's values are doubles: of a number the number, of a choice its index from 0, NaN of a
 *    parameter whose condition does not hold.
 *  - A search grows by what it proposes; a failed allocation leaves it as it was.
 *  - Sources: grid; random search (Bergstra, Bengio 2012); successive halving (Jamieson, Talwalkar
 *    2016); Hyperband (Li et al. 2018); TPE (Bergstra, Bardenet, Bengio, Kegl 2011).
 *  - May be NULL: options, `parameter`.
 */
#ifndef FATHOM_TUNE_H
#define FATHOM_TUNE_H

#include "fathom/schema.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the space ------------------------------------------------------------------------------- */

enum {
    FM_MAX_PARAMETERS = 64,
    FM_MAX_CHOICES = 64, /* of one parameter */
    FM_MAX_CONDITIONS = 4
};

typedef enum fm_parameter_kind {
    FM_PARAMETER_CHOICE,
    FM_PARAMETER_INTEGER,
    FM_PARAMETER_FLOAT
} fm_parameter_kind;

/* Holds when the choice parameter with this index took one of these choices (bit i: choice i). */
typedef struct fm_condition {
    int parameter;
    uint64_t choices;
} fm_condition;

/*  choices    texts, for FM_PARAMETER_CHOICE
 *  low, high  both are possible values; both above 0 where `log`
 *  log        even in the logarithm
 *  step       values are low, low + step, ...; 0: any value, of an integer each. Not with log
 *  points     of a grid: so many values from low to high, evenly spaced; 0: each step or integer
 *  when       all of these must hold; a condition's parameter stands above this one
 * Numbers without a step have at most 6 significant digits,
 * so that they can be read and written. */
typedef struct fm_parameter {
    const char *name;
    int kind;
    const char *const *choices;
    int choice_count;
    double low, high;
    bool log;
    double step;
    int64_t points;
    fm_condition when[FM_MAX_CONDITIONS];
    int when_count;
} fm_parameter;

typedef struct fm_space {
    const fm_parameter *parameters;
    int count;
} fm_space;

/* The bounds, names and conditions make sense; else FM_ERROR_ARGUMENT, and *parameter (may be NULL)
 * is the index of the one to blame, -1 for the space as a whole. */
FM_API fm_status fm_space_check(fm_context *context, const fm_space *space, int *parameter);
/* "0.001", "128", "adam"; "" for NaN. Numbers read back to the same bits. */
FM_API void fm_parameter_text(const fm_parameter *parameter, double value, char *text, size_t size);

/* ---- options --------------------------------------------------------------------------------- */

typedef enum fm_search_method {
    FM_GRID_SEARCH,
    FM_RANDOM_SEARCH,
    FM_SUCCESSIVE_HALVING,
    FM_HYPERBAND,
    FM_TPE_SEARCH,
    FM_SEARCH_METHOD_COUNT
} fm_search_method;

/*  trials, epochs  the budget: trials begun, epochs trained; 0: no limit. A bracket that does not
 *                  fit as a whole is not begun. Grids end by themselves; halving and Hyperband
 *                  after all their brackets where there is no budget, with one they begin anew;
 *                  random search and TPE without a budget end when their caller does
 *  epochs_each     of a trial, of those that get the most; default 1
 *  maximize        large values are good
 *  seed            of what is drawn
 * Of successive halving and Hyperband:
 *  eta             the best 1 of eta trials goes on, with eta times the epochs; default 3
 *  min_epochs      what the shortest trials get; default 1
 *  population      trials that successive halving begins with; default: as many as leave one that
 *                  gets epochs_each
 * Of TPE:
 *  startup         trials drawn at random before it begins to model; default 10
 *  gamma           the share of trials that count as good, at most 25 of them; default 0.15
 *  candidates      drawn from the good trials' density for each proposal; default 24
 *  delay           a trial is proposed from the results of all but the `delay` - 1 trials before
 *                  it: so many can run side by side; default 4 */
typedef struct fm_search_options {
    int method;
    int64_t trials, epochs;
    int64_t epochs_each;
    bool maximize;
    int64_t seed;
    int64_t eta, min_epochs, population;
    int64_t startup;
    double gamma;
    int64_t candidates, delay;
} fm_search_options;

typedef struct fm_search_record {
    const char *name;
    const char *aliases[2];
    const char *doc;
    const fm_field *fields; /* of fm_search_options: what is this method's alone */
} fm_search_record;

FM_API const fm_search_record *fm_search_method_at(int method); /* NULL beyond the last */
FM_API const fm_search_record *fm_search_method_find(const char *name);

/* ---- a search -------------------------------------------------------------------------------- */

typedef struct fm_search fm_search;

/* The space is copied. options may be NULL: a grid. FM_ERROR_ARGUMENT for a space or options that
 * make no sense, a budget that holds not even the first bracket, a grid of more than 100,000. */
FM_API fm_status fm_search_create(fm_context *context, const fm_space *space,
                                  const fm_search_options *options, fm_search **search);
FM_API void fm_search_destroy(fm_search *search);
FM_API const fm_space *fm_search_space(const fm_search *search);
/* With defaults filled in. */
FM_API const fm_search_options *fm_search_about(const fm_search *search);

/* Trials that begin together; of rung i + 1 are the best of rung i.
 *  rungs      steps of the ladder
 *  trials[i]  that reach rung i
 *  epochs[i]  that they have been trained for when it ends */
enum { FM_MAX_RUNGS = 32 };
typedef struct fm_bracket {
    int rungs;
    int64_t trials[FM_MAX_RUNGS];
    int64_t epochs[FM_MAX_RUNGS];
} fm_bracket;

/* Bracket `index` from 0; rungs is 0 when there is none. */
FM_API void fm_search_bracket(const fm_search *search, int64_t index, fm_bracket *bracket);
/* What the whole search will do at most; -1: no end is set. */
FM_API void fm_search_forecast(const fm_search *search, int64_t *trials, int64_t *epochs);

typedef enum fm_job_state {
    FM_JOB_READY, /* train it, then tell */
    FM_JOB_WAIT,  /* a trial that runs must be told first */
    FM_JOB_NONE   /* the search is over */
} fm_job_state;

/*  values    of the space's parameters; they stay the search's
 *  from, to  epochs: trained already, and when to stop. from > 0: go on with the trial's state
 *  keep      it may be asked for again: keep its state */
typedef struct fm_trial_job {
    fm_job_state state;
    int64_t trial;
    const double *values;
    int64_t from, to;
    bool keep;
} fm_trial_job;

FM_API fm_status fm_search_ask(fm_search *search, fm_trial_job *job);
/* The objective at the end of the job, or NaN: it failed and never goes on. FM_ERROR_ARGUMENT when
 * the trial does not run. */
FM_API fm_status fm_search_tell(fm_search *search, int64_t trial, double value);

typedef enum fm_trial_state {
    FM_TRIAL_RUNNING,
    FM_TRIAL_WAITS, /* not begun, or told and whether it goes on is not known yet */
    FM_TRIAL_DONE,
    FM_TRIAL_FAILED
} fm_trial_state;

/*  value   the last that was told, NaN before
 *  epochs  trained for when it was told
 *  bracket, rung  where it is */
typedef struct fm_trial {
    fm_trial_state state;
    const double *values;
    double value;
    int64_t epochs, bracket;
    int rung;
} fm_trial;

FM_API int64_t fm_search_trial_count(const fm_search *search);
/* Of a number that there is not (fm_search_best may say -1) a failed one: NaN, and values NULL. */
FM_API fm_trial fm_search_trial(const fm_search *search, int64_t trial);
/* The trial with the best value, of equal ones the first; -1 while nothing was told. */
FM_API int64_t fm_search_best(const fm_search *search);
/* order has room for twice fm_search_trial_count numbers; the first half becomes the trials'
 * numbers, the best first, those without a value last. */
FM_API void fm_search_ranking(const fm_search *search, int64_t *order);

/* ---- a search in a file ---------------------------------------------------------------------- */

/* docs/tuning.md tells the format:
 *
 *     recipe:    ../mnist-dropout.yaml             from the file's folder
 *     set:       {train.batch_size: 128}           what the recipe should say for all trials
 *     objective: val_accuracy                      or {monitor: ..., mode: max, epoch: last}
 *     method:    {hyperband: {eta: 3}}
 *     trial:     {epochs: 27, folds: 5}            epochs: else those of the recipe
 *     budget:    {trials: 100, epochs: 500, seconds: 3600}
 *     seed:      1
 *     space:
 *       model.1.dense.units:           {integer: [32, 512], scale: log}
 *       optimizer:                     [adam, sgd]
 *       optimizer.adam.learning_rate:  {float: [1e-4, 1e-1], scale: log, when: {optimizer: adam}}
 *
 * Mistakes are told as FILE:LINE:COLUMN. Built with FATHOM_FILES (libyaml). */
typedef struct fm_search_file fm_search_file;

/*  recipe    its path, as it can be opened from here
 *  set       KEY=VALUE that all trials have, for fm_recipe_open
 *  monitor   a name of fm_epoch_value; mode: fm_monitor_mode; last: the last epoch counts, not the
 *            best
 *  options   without epochs_each where the file does not say it
 *  folds     the objective is the mean over so many folds; 0: the recipe's validation data
 *  seconds   that a search may take; 0: no limit */
typedef struct fm_search_settings {
    const char *recipe;
    const char *const *set;
    int set_count;
    fm_space space;
    fm_search_options options;
    const char *monitor;
    int mode;
    bool last;
    int64_t folds;
    double seconds;
} fm_search_settings;

FM_API fm_status fm_search_open(fm_context *context, const char *path, fm_search_file **file);
FM_API fm_status fm_search_parse(fm_context *context, const char *name, const char *bytes,
                                 size_t size, fm_search_file **file);
FM_API void fm_search_close(fm_search_file *file);
FM_API const fm_search_settings *fm_search_file_about(const fm_search_file *file);
/* KEY=VALUE for fm_recipe_open: those of all trials, then those of these values. The list stays the
 * file's until the next call. */
FM_API fm_status fm_search_assign(fm_search_file *file, const double *values,
                                  const char *const **set, int *set_count);

/* What the sections `objective`, `trial` and `budget` can say, for lists of options. */
FM_API extern const fm_field fm_search_objective_fields[];
FM_API extern const fm_field fm_search_trial_fields[];
FM_API extern const fm_field fm_search_budget_fields[];

#ifdef __cplusplus
}
#endif
#endif

/* The methods as records. */
#include "train/tune/methods.h"
#include "base/fields.h"

#include <string.h>

static const double most = 1e15;

/* ---- brackets -------------------------------------------------------------------------------- */

static int64_t one_bracket(const fm_search_options *options)
{
    (void)options;
    return 1;
}

static void single_trial(const fm_search_options *options, int64_t index, fm_bracket *bracket)
{
    (void)index;
    *bracket = (fm_bracket){.rungs = 1, .trials = {1}, .epochs = {options->epochs_each}};
}

/* s_max = floor(log_eta(R / r)): how often the shortest trial's epochs can grow by eta. */
static int64_t steps_of(const fm_search_options *options)
{
    int64_t steps = 0;
    for (int64_t epochs = options->epochs_each; epochs / options->eta >= options->min_epochs;) {
        epochs /= options->eta;
        steps++;
    }
    return steps < FM_MAX_RUNGS ? steps : FM_MAX_RUNGS - 1;
}

static int64_t power(int64_t base, int64_t exponent)
{
    int64_t result = 1;
    while (exponent-- > 0) result *= base;
    return result;
}

/* From n trials with R / eta^s epochs to those with R: n_i = floor(n / eta^i). */
static void fill_rungs(const fm_search_options *options, int64_t n, int64_t s, fm_bracket *bracket)
{
    *bracket = (fm_bracket){0};
    for (int64_t i = 0; i <= s; i++) {
        int64_t left = n / power(options->eta, i);
        if (left < 1) break;
        bracket->trials[bracket->rungs] = left;
        bracket->epochs[bracket->rungs++] = options->epochs_each / power(options->eta, s - i);
    }
}

/* Jamieson, Talwalkar: "Non-stochastic Best Arm Identification and Hyperparameter Optimization",
 * AISTATS 2016. */
static void halving_bracket(const fm_search_options *options, int64_t index, fm_bracket *bracket)
{
    (void)index;
    int64_t s = steps_of(options);
    int64_t n = options->population ? options->population : power(options->eta, s);
    while (s > 0 && n < power(options->eta, s)) s--; /* so that one trial gets all its epochs */
    fill_rungs(options, n, s, bracket);
}

static int64_t hyperband_pass(const fm_search_options *options)
{
    return steps_of(options) + 1;
}

/* Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar: "Hyperband: A Novel Bandit-Based Approach to
 * Hyperparameter Optimization", JMLR 18 (2018). With R = 81 and eta = 3 its table 1 begins brackets
 * with 81, 27, 9, 6 and 5 trials: n = floor((s_max + 1) / (s + 1)) eta^s. (Algorithm 1 rounds
 * differently and would say 81, 34, 15, 8, 5.) */
static void hyperband_bracket(const fm_search_options *options, int64_t index, fm_bracket *bracket)
{
    int64_t s_max = steps_of(options), s = s_max - index;
    fill_rungs(options, (s_max + 1) / (s + 1) * power(options->eta, s), s, bracket);
}

/* ---- records --------------------------------------------------------------------------------- */

#define OPTION(member_, type_, doc_, ...)                                                          \
    {                                                                                              \
        .name = #member_, .doc = doc_, .offset = offsetof(fm_search_options, member_),             \
        .type = type_, __VA_ARGS__                                                                 \
    }
#define ETA                                                                                        \
    OPTION(eta, FM_FIELD_INT, "the best 1 of eta trials goes on, with eta times the epochs",       \
           .default_value = 3, .minimum = 2, .maximum = 1000)
#define MIN_EPOCHS                                                                                 \
    OPTION(min_epochs, FM_FIELD_INT, "epochs of the shortest trials", .default_value = 1,          \
           .minimum = 1, .maximum = 1e9)

static const fm_field no_fields[] = {{0}};
static const fm_field halving_fields[] = {
    ETA,
    MIN_EPOCHS,
    OPTION(population, FM_FIELD_INT,
           "trials to begin with (default: as many as leave one with all its epochs)",
           .maximum = 1e6),
    {0},
};
static const fm_field hyperband_fields[] = {ETA, MIN_EPOCHS, {0}};
static const fm_field parzen_fields[] = {
    OPTION(startup, FM_FIELD_INT, "trials drawn at random before it begins to model",
           .default_value = 10, .minimum = 1, .maximum = 1e6),
    OPTION(gamma, FM_FIELD_REAL, "the share of trials that count as good, at most 25 of them",
           .default_value = 0.15, .minimum = 0.001, .maximum = 0.999),
    OPTION(candidates, FM_FIELD_INT, "drawn from the good trials' density for each proposal",
           .default_value = 24, .minimum = 1, .maximum = 1e6),
    OPTION(delay, FM_FIELD_INT,
           "trials that may run side by side: the last delay - 1 before a trial are not looked at",
           .default_value = 4, .minimum = 1, .maximum = 1e6),
    {0},
};

static const fm_method methods[FM_SEARCH_METHOD_COUNT] = {
    [FM_GRID_SEARCH] = {{"grid", {"grid_search"}, "every combination of values", no_fields},
                        FM_SAMPLE_GRID,
                        one_bracket,
                        single_trial,
                        true},
    [FM_RANDOM_SEARCH] = {{"random",
                           {"random_search"},
                           "values drawn anew for each trial (Bergstra, Bengio 2012)",
                           no_fields},
                          FM_SAMPLE_RANDOM,
                          one_bracket,
                          single_trial,
                          true},
    [FM_SUCCESSIVE_HALVING] = {{"successive_halving",
                                {"halving", "sha"},
                                "many short trials, of which the best go on (Jamieson, Talwalkar "
                                "2016)",
                                halving_fields},
                               FM_SAMPLE_RANDOM,
                               one_bracket,
                               halving_bracket,
                               false},
    [FM_HYPERBAND] = {{"hyperband",
                       {NULL},
                       "successive halving from many short to few long trials (Li et al. 2018)",
                       hyperband_fields},
                      FM_SAMPLE_RANDOM,
                      hyperband_pass,
                      hyperband_bracket,
                      false},
    [FM_TPE_SEARCH] = {{"tpe",
                        {"bayesian"},
                        "values like those of good trials, unlike those of others (Bergstra et al. "
                        "2011)",
                        parzen_fields},
                       FM_SAMPLE_PARZEN,
                       one_bracket,
                       single_trial,
                       true},
};

const fm_search_record *fm_search_method_at(int method)
{
    return method >= 0 && method < FM_SEARCH_METHOD_COUNT ? &methods[method].record : NULL;
}

const fm_search_record *fm_search_method_find(const char *name)
{
    for (int i = 0; i < FM_SEARCH_METHOD_COUNT; i++) {
        const fm_search_record *record = &methods[i].record;
        bool found = strcmp(name, record->name) == 0;
        for (int j = 0; j < 2 && record->aliases[j]; j++) {
            found = found || strcmp(name, record->aliases[j]) == 0;
        }
        if (found) return record;
    }
    return NULL;
}

const fm_method *fm_method_of(const fm_search_options *options)
{
    return &methods[options->method];
}

/* ---- options --------------------------------------------------------------------------------- */

static const fm_field common_fields[] = {
    OPTION(trials, FM_FIELD_INT, "", .maximum = most),
    OPTION(epochs, FM_FIELD_INT, "", .maximum = most),
    OPTION(epochs_each, FM_FIELD_INT, "", .default_value = 1, .minimum = 1, .maximum = 1e9),
    {0},
};

fm_status fm_search_options_complete(fm_context *context, fm_search_options *options)
{
    const fm_search_record *record = fm_search_method_at(options->method);
    if (!record) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "there is no search method %d", options->method);
    }
    fm_status status = fm_fields_complete(context, common_fields, options, "search");
    if (status == FM_OK)
        status = fm_fields_complete(context, record->fields, options, record->name);
    return status;
}

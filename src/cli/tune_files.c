#include "cli/tune_files.h"
#include "base/csv_text.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <math.h>
#include <string.h>

const char tune_state_names[][8] = {"running", "waits", "done", "failed"};

static fm_status write_text(tuning *t, const char *name, fm_text *text)
{
    char path[TUNING_PATH];
    (void)tuning_path(t, name, path); /* it fits: choose_folder leaves room */
    fm_status status = fm_file_write_text(text, path);
    fm_text_release(text);
    return status;
}

/* ---- trials.csv ------------------------------------------------------------------------------ */

static void add_cell(fm_text *text, const char *cell)
{
    fm_text_add(text, ",");
    fm_csv_add_cell(text, cell);
}

static void add_trial(const tuning *t, fm_text *text, int64_t number)
{
    fm_trial trial = fm_search_trial(t->search, number);
    const trial_note *note = &t->notes[number];
    const fm_space *space = fm_search_space(t->search);
    fm_text_add(text, "%lld,%lld,%s,", (long long)number, (long long)trial.bracket,
                tune_state_names[trial.state]);
    if (!isnan(trial.value)) fm_text_add(text, "%.17g", trial.value);
    fm_text_add(text, ",%lld,%lld", (long long)note->trained, (long long)note->epoch);
    for (int i = 0; i < space->count; i++) {
        char value[256];
        fm_parameter_text(&space->parameters[i], trial.values[i], value, sizeof value);
        add_cell(text, value);
    }
    add_cell(text, note->reason ? note->reason : "");
    fm_text_add(text, ",%.3f\n", note->seconds);
}

fm_status tune_write_trials(tuning *t)
{
    const fm_space *space = fm_search_space(t->search);
    fm_text text = FM_TEXT(t->invocation.context);
    fm_text_add(&text, "trial,bracket,state");
    add_cell(&text, t->monitor);
    fm_text_add(&text, ",epochs,epoch");
    for (int i = 0; i < space->count; i++) add_cell(&text, space->parameters[i].name);
    fm_text_add(&text, ",reason,seconds\n");
    for (int64_t i = 0; i < fm_search_trial_count(t->search); i++) add_trial(t, &text, i);
    return write_text(t, "trials.csv", &text);
}

/* ---- best.yaml ------------------------------------------------------------------------------- */

/* KEY=VALUE of the trial, its epochs, and the best of them kept as it was judged. */
static fm_status open_best(tuning *t, int64_t best, fm_recipe **recipe)
{
    string_list set;
    char epochs[64], monitor[512];
    fm_trial trial = fm_search_trial(t->search, best);
    fm_status status = tuning_assign(t, trial.values, &set);
    if (status != FM_OK) return status;
    snprintf(epochs, sizeof epochs, "train.epochs=%lld", (long long)trial.epochs);
    snprintf(monitor, sizeof monitor, "train.monitor=%s", t->monitor);
    const char **all = fm_allocate_array(t->invocation.context, (size_t)set.count + 3, sizeof *all);
    if (!all) return FM_ERROR_MEMORY;
    int count = set.count;
    memcpy(all, set.items, (size_t)count * sizeof *all);
    all[count++] = epochs;
    if (!t->settings->last && t->settings->folds == 0) {
        all[count++] = "train.keep_best=true";
        all[count++] = monitor;
    }
    status = fm_recipe_open(t->invocation.context, t->settings->recipe, all, count, recipe);
    fm_release(t->invocation.context, all);
    return status;
}

fm_status tune_write_best(tuning *t)
{
    int64_t best = fm_search_best(t->search);
    fm_recipe *recipe;
    if (best < 0) return FM_OK;
    fm_status status = open_best(t, best, &recipe);
    if (status != FM_OK) return status;
    fm_text text = FM_TEXT(t->invocation.context);
    fm_text_add(&text, "# Trial %lld of %s: %s %.10g, epoch %lld of %lld.\n", (long long)best,
                t->path, t->monitor, fm_search_trial(t->search, best).value,
                (long long)t->notes[best].epoch, (long long)t->notes[best].trained);
    fm_text_add(&text, "%s", fm_recipe_text(recipe));
    fm_recipe_destroy(recipe);
    return write_text(t, "best.yaml", &text);
}

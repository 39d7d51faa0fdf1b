/* fathom tune */
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/json_lines.h"
#include "cli/progress.h"
#include "cli/tune_files.h"
#include "cli/tune_table.h"
#include "cli/tune_workers.h"
#include "base/context.h"
#include "base/fields.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/utf8.h"
#include "train/recipe/recipe_tree.h"
#include "train/tune/file/search_file.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_SLOTS = 64, DEFAULT_SLOTS = 8 };
static const double write_seconds = 2, hear_seconds = 0.25;

typedef struct command_run {
    tuning t;
    tune_workers workers;
    char log[TUNING_PATH];
    fm_trial_job *jobs; /* what each slot trains */
    int threads;        /* of each */
    double written_at;
    char *recipe_text;
    fm_text given_set; /* --set, for the journal */
} command_run;

/* ---- shared with the other parts ------------------------------------------------------------- */

bool tuning_path(const tuning *t, const char *name, char path[TUNING_PATH])
{
    return snprintf(path, TUNING_PATH, "%s/%s", t->folder, name) < TUNING_PATH;
}

double tuning_seconds(const tuning *t)
{
    return t->before + seconds_now() - t->began;
}

/* What the file sets for all trials, then the command line, then the trial's own. */
fm_status tuning_assign(tuning *t, const double *values, string_list *set)
{
    const char *const *own;
    int own_count, first = t->settings->set_count;
    const string_list *given = &t->invocation.given->set;
    fm_context *context = t->invocation.context;
    fm_status status = fm_search_assign(t->file, values, &own, &own_count);
    if (status != FM_OK) return status;
    fm_release(context, t->assigned);
    size_t count = (size_t)own_count + (size_t)given->count;
    t->assigned = fm_allocate_array(context, count + 1, sizeof *t->assigned);
    if (!t->assigned) return FM_ERROR_MEMORY;
    *set = (string_list){t->assigned, (int)count};
    int at = 0;
    for (int i = 0; i < first; i++) t->assigned[at++] = own[i];
    for (int i = 0; i < given->count; i++) t->assigned[at++] = given->items[i];
    for (int i = first; i < own_count; i++) t->assigned[at++] = own[i];
    return FM_OK;
}

/* What all trials have. */
static fm_status assign_common(tuning *t, string_list *set)
{
    double none[FM_MAX_PARAMETERS];
    for (int i = 0; i < FM_MAX_PARAMETERS; i++) none[i] = NAN;
    return tuning_assign(t, none, set);
}

static json_t *list_of(const string_list *set)
{
    json_t *list = json_array();
    for (int i = 0; i < set->count; i++) json_array_append_new(list, json_string(set->items[i]));
    return list;
}

/* ---- the folder ------------------------------------------------------------------------------ */

static const char journal_name[] = "journal.jsonl", states_name[] = "states";

static fm_status make_folder(const command_run *c, const char *path)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST) return FM_OK;
    return fm_fail_system(c->t.invocation.context, path, "create");
}

/* "searches/digits.yaml" -> "digits.search" */
static fm_status choose_folder(command_run *c)
{
    tuning *t = &c->t;
    char states[TUNING_PATH];
    const char *out = t->invocation.given->out, *slash = strrchr(t->path, '/');
    const char *name = slash ? slash + 1 : t->path, *dot = strrchr(name, '.');
    int size = dot && dot != name ? (int)(dot - name) : (int)strlen(name);
    int length = out ? snprintf(t->folder, sizeof t->folder, "%s", out)
                     : snprintf(t->folder, sizeof t->folder, "%.*s.search", size, name);
    if (length >= (int)sizeof t->folder || !tuning_path(t, states_name, states) ||
        !tuning_path(t, "workers.log", c->log)) {
        return fm_fail(t->invocation.context, FM_ERROR_LIMIT, "%s: the name is too long",
                       out ? out : name);
    }
    fm_status status = make_folder(c, t->folder);
    return status == FM_OK ? make_folder(c, states) : status;
}

/* Trials are told in JSON, which holds UTF-8 alone. */
static fm_status check_names(const command_run *c)
{
    const tuning *t = &c->t;
    const char *const names[] = {t->settings->recipe, t->folder, t->invocation.given->data};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *name = names[i];
        if (!name || fm_utf8_check(name, strlen(name)) == strlen(name)) continue;
        return fm_fail(t->invocation.context, FM_ERROR_ARGUMENT,
                       "%s: a search needs names in UTF-8; rename it", name);
    }
    return FM_OK;
}

/* States of another search would be taken for this one's. */
static void remove_states(const command_run *c)
{
    char states[TUNING_PATH], path[2 * TUNING_PATH];
    if (!tuning_path(&c->t, states_name, states)) return;
    DIR *folder = opendir(states);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (strncmp(entry->d_name, "trial-", 6) != 0) continue;
        snprintf(path, sizeof path, "%s/%s", states, entry->d_name);
        unlink(path);
    }
    if (folder) closedir(folder);
}

static void forget_search(const command_run *c)
{
    static const char *const names[] = {journal_name, "trials.csv", "best.yaml", "workers.log"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[TUNING_PATH];
        if (tuning_path(&c->t, names[i], path)) unlink(path);
    }
}

static void state_path(const command_run *c, int64_t trial, char path[TUNING_PATH])
{
    char name[64];
    snprintf(name, sizeof name, "%s/trial-%lld.safetensors", states_name, (long long)trial);
    (void)tuning_path(&c->t, name, path);
}

/* Trials that cannot go on need their states no longer. */
static void remove_old_states(command_run *c)
{
    tuning *t = &c->t;
    for (int64_t i = 0; i < fm_search_trial_count(t->search); i++) {
        if (t->notes[i].cleaned || fm_search_trial(t->search, i).state < FM_TRIAL_DONE) continue;
        char path[TUNING_PATH], fold[TUNING_PATH + 32];
        state_path(c, i, path);
        unlink(path);
        for (int64_t k = 1; k <= t->settings->folds; k++) {
            snprintf(fold, sizeof fold, "%s.fold%lld", path, (long long)k);
            unlink(fold);
        }
        t->notes[i].cleaned = true;
    }
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Whether the command line sets this key, or the whole section that it is in. */
static bool sets_key(const string_list *given, const char *section, const char *key)
{
    size_t size = strlen(section), all = strlen(key);
    for (int i = 0; i < given->count; i++) {
        const char *set = given->items[i];
        if (strncmp(set, section, size) == 0 && set[size] == '=') return true;
        if (strncmp(set, key, all) == 0 && set[all] == '=') return true;
    }
    return false;
}

/* The recipe must be readable. How long trials are says the command line, else the search, else the
 * recipe. */
static fm_status read_recipe(command_run *c, fm_search_options *options)
{
    tuning *t = &c->t;
    fm_context *context = t->invocation.context;
    string_list set;
    size_t size;
    fm_recipe *recipe;
    fm_status status =
        fm_file_read(context, t->settings->recipe, FM_TREE_MAX_BYTES, &c->recipe_text, &size);
    if (status == FM_OK) status = assign_common(t, &set);
    if (status != FM_OK) return status;
    status = fm_recipe_open(context, t->settings->recipe, set.items, set.count, &recipe);
    if (status != FM_OK) return status;
    const fm_fit_options *fit = &fm_recipe_about(recipe)->fit;
    bool said = fit->epochs > 0 && sets_key(&t->invocation.given->set, "train", "train.epochs");
    if (options->epochs_each == 0 || said) {
        options->epochs_each = fm_field_int(fm_field_find(fm_fit_fields, "epochs"), fit);
    }
    fm_recipe_destroy(recipe);
    return FM_OK;
}

static fm_status open_journal(command_run *c)
{
    static const char *const sections[] = {"set", "objective", "method", "trial", "seed", "space"};
    enum { SECTIONS = sizeof sections / sizeof sections[0] };
    tuning *t = &c->t;
    char path[TUNING_PATH];
    fm_journal_identity identity[FM_MAX_IDENTITY];
    for (int i = 0; i < SECTIONS; i++) {
        identity[i] = (fm_journal_identity){sections[i], fm_search_section(t->file, sections[i])};
        if (!identity[i].text) return FM_ERROR_MEMORY;
    }
    identity[SECTIONS] = (fm_journal_identity){"recipe", c->recipe_text};
    c->given_set = FM_TEXT(t->invocation.context);
    for (int i = 0; i < t->invocation.given->set.count; i++) {
        fm_text_add(&c->given_set, "%s\n", t->invocation.given->set.items[i]);
    }
    if (fm_text_status(&c->given_set) != FM_OK) return FM_ERROR_MEMORY;
    identity[SECTIONS + 1] = (fm_journal_identity){"--set", fm_text_string(&c->given_set)};
    (void)tuning_path(t, journal_name, path);
    return fm_journal_open(t->invocation.context, path, identity, SECTIONS + 2, &t->journal);
}

static fm_status choose_slots(command_run *c)
{
    tuning *t = &c->t;
    const fm_search_options *options = &t->settings->options;
    fm_context *context = t->invocation.context;
    int all = fm_context_threads(context);
    int64_t wanted = t->invocation.given->jobs;
    int64_t slots = wanted ? wanted : all < DEFAULT_SLOTS ? all : DEFAULT_SLOTS;
    int64_t delay = options->delay ? options->delay : 4;
    if (options->method == FM_TPE_SEARCH && slots > delay) slots = delay;
    t->slots = slots < MOST_SLOTS ? (int)slots : MOST_SLOTS;
    c->threads = all / t->slots > 1 ? all / t->slots : 1;
    t->running = fm_allocate_array(context, (size_t)t->slots, sizeof *t->running);
    c->jobs = fm_allocate_array(context, (size_t)t->slots, sizeof *c->jobs);
    if (!t->running || !c->jobs) return FM_ERROR_MEMORY;
    for (int i = 0; i < t->slots; i++) t->running[i] = (running_trial){.trial = -1};
    return tune_workers_open(context, t->slots, c->log, &c->workers);
}

/* ---- workers --------------------------------------------------------------------------------- */

static fm_status start_worker(command_run *c, int slot)
{
    tuning *t = &c->t;
    string_list set;
    fm_status status = assign_common(t, &set);
    if (status == FM_OK) status = tune_worker_start(&c->workers, slot);
    if (status != FM_OK) return status;
    const char *data = t->invocation.given->data;
    json_t *setup =
        json_pack("{s:s, s:o, s:i, s:I, s:s, s:i, s:b}", "recipe", t->settings->recipe, "set",
                  list_of(&set), "threads", c->threads, "folds", (json_int_t)t->settings->folds,
                  "monitor", t->monitor, "mode", t->settings->mode, "last", t->settings->last);
    if (data) json_object_set_new(setup, "data", json_string(data));
    tune_worker_send(&c->workers, slot, setup);
    return FM_OK;
}

static fm_status fail_worker(command_run *c, const tune_message *message)
{
    fm_context *context = c->t.invocation.context;
    const char *words = json_string_value(json_object_get(message->object, "failed"));
    if (!words) {
        return fm_fail(context, FM_ERROR_INTERNAL, "a trial could not begin: %s; see %s",
                       message->end, c->log);
    }
    int status = (int)json_integer_value(json_object_get(message->object, "status"));
    return fm_fail(context, status > FM_OK ? (fm_status)status : FM_ERROR_INTERNAL, "%s", words);
}

/* Whether large values are good only a model knows; the first worker makes one. */
static fm_status begin_journal(command_run *c, bool *maximize)
{
    tuning *t = &c->t;
    tune_message message = {0};
    if (fm_journal_begun(t->journal, maximize)) return FM_OK;
    remove_states(c);
    fm_status status = start_worker(c, 0);
    while (status == FM_OK && !tune_workers_hear(&c->workers, hear_seconds, &message)) {
        if (progress_asked_to_stop()) return FM_ERROR_CANCELLED;
    }
    if (status != FM_OK) return status;
    bool ready = json_is_true(json_object_get(message.object, "ready"));
    *maximize = json_is_true(json_object_get(message.object, "maximize"));
    if (!ready) status = fail_worker(c, &message);
    json_decref(message.object);
    return status == FM_OK ? fm_journal_begin(t->journal, *maximize) : status;
}

static fm_status open_search(command_run *c)
{
    tuning *t = &c->t;
    fm_context *context = t->invocation.context;
    fm_status status = fm_search_open(context, t->path, &t->file);
    if (status != FM_OK) return status;
    t->settings = fm_search_file_about(t->file);
    t->monitor = t->settings->monitor ? t->settings->monitor : "val_loss";
    fm_search_options options = t->settings->options;
    status = read_recipe(c, &options);
    if (status == FM_OK) {
        status = fm_search_create(context, &t->settings->space, &options, &t->search);
        if (status != FM_OK) return fm_fail_prefix(context, "%s: ", t->path);
        fm_search_destroy(t->search);
        t->search = NULL;
    }
    if (status == FM_OK) status = choose_folder(c);
    if (status == FM_OK) status = check_names(c);
    if (status == FM_OK && t->invocation.given->restart) forget_search(c);
    if (status == FM_OK) status = open_journal(c);
    if (status == FM_OK) status = choose_slots(c);
    if (status == FM_OK) status = begin_journal(c, &options.maximize);
    if (status == FM_OK) {
        status = fm_search_create(context, &t->settings->space, &options, &t->search);
    }
    if (status != FM_OK) return status;
    t->before = fm_journal_elapsed(t->journal);
    t->known = fm_journal_count(t->journal);
    return status;
}

static void announce(const command_run *c)
{
    const tuning *t = &c->t;
    int64_t trials, epochs;
    const char *method = fm_search_method_at(fm_search_about(t->search)->method)->name;
    fm_search_forecast(t->search, &trials, &epochs);
    if (t->invocation.given->json) {
        json_print(json_pack("{s:s, s:o, s:s, s:I, s:I, s:I, s:i, s:i, s:o}", "event", "start",
                             "search", json_text(t->path), "method", method, "trials",
                             (json_int_t)trials, "epochs", (json_int_t)epochs, "known",
                             (json_int_t)t->known, "jobs", t->slots, "threads", c->threads, "out",
                             json_text(t->folder)));
    }
    if (t->invocation.given->quiet) return;
    fprintf(stderr, "%s search", method);
    if (trials >= 0) {
        fprintf(stderr, ", %lld trials, %lld epochs", (long long)trials, (long long)epochs);
    }
    fprintf(stderr, "; %d at once of %d thread%s each\n", t->slots, c->threads,
            c->threads == 1 ? "" : "s");
    if (t->known > 0) {
        fprintf(stderr, "going on: %lld results are there already (--restart forgets them)\n",
                (long long)t->known);
    }
}

/* ---- telling --------------------------------------------------------------------------------- */

static fm_status tell(command_run *c, const fm_trial_job *job, const fm_journal_record *record)
{
    tuning *t = &c->t;
    trial_note *note = &t->notes[job->trial];
    note->epoch = record->reason ? note->epoch : record->epoch;
    note->trained = record->trained;
    note->seconds += record->seconds;
    note->reason = record->reason;
    t->told++;
    t->epochs += job->to - job->from;
    fm_status status =
        fm_search_tell(t->search, job->trial, record->reason ? (double)NAN : record->value);
    if (status == FM_OK) remove_old_states(c);
    return status;
}

/* Files that are only looked at may be some seconds old. */
static fm_status write_files(command_run *c, bool now)
{
    if (!now && seconds_now() - c->written_at < write_seconds) return FM_OK;
    fm_status status = tune_write_trials(&c->t);
    if (status == FM_OK) status = tune_write_best(&c->t);
    c->written_at = seconds_now();
    return status;
}

static fm_status end_trial(command_run *c, int slot, const tune_message *message)
{
    tuning *t = &c->t;
    const fm_trial_job job = c->jobs[slot];
    const json_t *object = message->object;
    bool done = json_is_true(json_object_get(object, "done"));
    const char *words = json_string_value(json_object_get(object, "failed"));
    fm_journal_record record = {
        .trial = job.trial,
        .to = job.to,
        .value = json_number_value(json_object_get(object, "value")),
        .epoch = json_integer_value(json_object_get(object, "epoch")),
        .trained = json_integer_value(json_object_get(object, "trained")),
        .seconds = seconds_now() - t->running[slot].began,
        .elapsed = tuning_seconds(t),
        .reason = done    ? NULL
                  : words ? words
                          : message->end,
    };
    t->running[slot].trial = -1;
    fm_status status = fm_journal_append(t->journal, &record);
    if (status == FM_OK) {
        status = tell(c, &job, fm_journal_find(t->journal, job.trial, job.to));
    }
    if (status != FM_OK) return status;
    tune_table_told(t, job.trial);
    return write_files(c, false);
}

static fm_status take_message(command_run *c, const tune_message *message)
{
    running_trial *running = &c->t.running[message->worker];
    const json_t *object = message->object;
    const json_t *epoch = json_object_get(object, "epoch");
    bool failed = !object || json_object_get(object, "failed");
    if (json_object_get(object, "done") || (failed && running->trial >= 0)) {
        return end_trial(c, message->worker, message);
    }
    if (failed) return fail_worker(c, message);
    if (epoch && running->trial >= 0) {
        running->epoch = json_integer_value(epoch);
        const json_t *value = json_object_get(object, "value");
        running->value = json_is_number(value) ? json_number_value(value) : (double)NAN;
    }
    return FM_OK;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static fm_status grow_notes(tuning *t)
{
    return fm_grow(t->invocation.context, &t->notes, &t->note_capacity,
                   (size_t)fm_search_trial_count(t->search), sizeof *t->notes);
}

static fm_status send_job(command_run *c, int slot, const fm_trial_job *job)
{
    tuning *t = &c->t;
    string_list set;
    char state[TUNING_PATH];
    fm_status status = c->workers.workers[slot].pid ? FM_OK : start_worker(c, slot);
    if (status == FM_OK) status = tuning_assign(t, job->values, &set);
    if (status != FM_OK) return status;
    state_path(c, job->trial, state);
    tune_worker_send(&c->workers, slot,
                     json_pack("{s:o, s:I, s:I, s:s, s:b}", "set", list_of(&set), "to",
                               (json_int_t)job->to, "trial", (json_int_t)job->trial, "state", state,
                               "keep", job->keep));
    c->jobs[slot] = *job;
    t->running[slot] = (running_trial){.trial = job->trial,
                                       .to = job->to,
                                       .epoch = job->from,
                                       .value = NAN,
                                       .began = seconds_now()};
    return FM_OK;
}

static bool out_of_time(const tuning *t)
{
    return t->settings->seconds > 0 && tuning_seconds(t) >= t->settings->seconds;
}

/* What the journal knows is told at once; what it does not know is given to the slot. */
static fm_status fill_slot(command_run *c, int slot, fm_job_state *state)
{
    tuning *t = &c->t;
    for (;;) {
        fm_trial_job job;
        *state = FM_JOB_NONE;
        if (t->replayed == t->known && out_of_time(t)) return FM_OK;
        fm_status status = fm_search_ask(t->search, &job);
        *state = job.state;
        if (status == FM_OK) status = grow_notes(t);
        if (status != FM_OK || job.state != FM_JOB_READY) return status;
        const fm_journal_record *known = fm_journal_find(t->journal, job.trial, job.to);
        if (!known) return send_job(c, slot, &job);
        t->replayed += t->replayed < t->known;
        status = tell(c, &job, known);
        if (status != FM_OK) return status;
    }
}

static fm_status search_on(command_run *c)
{
    tuning *t = &c->t;
    for (;;) {
        int busy = 0;
        fm_status status = FM_OK;
        fm_job_state state = FM_JOB_READY;
        t->interrupted = progress_asked_to_stop();
        if (t->interrupted) return FM_OK;
        for (int i = 0; i < t->slots && status == FM_OK; i++) {
            if (t->running[i].trial < 0 && state == FM_JOB_READY) status = fill_slot(c, i, &state);
            busy += t->running[i].trial >= 0;
        }
        if (status != FM_OK || busy == 0) return status;
        tune_message message;
        if (tune_workers_hear(&c->workers, hear_seconds, &message)) {
            status = take_message(c, &message);
            json_decref(message.object);
            if (status != FM_OK) return status;
        }
        tune_table_draw(t, false);
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

static void print_end_event(const tuning *t, const char *recipe)
{
    int64_t best = fm_search_best(t->search);
    fm_trial trial = fm_search_trial(t->search, best);
    json_print(json_pack("{s:s, s:I, s:I, s:o, s:I, s:o, s:I, s:o, s:o}", "event", "end", "trials",
                         (json_int_t)fm_search_trial_count(t->search), "epochs",
                         (json_int_t)t->epochs, "seconds", json_number(tuning_seconds(t)), "best",
                         (json_int_t)best, "value", json_number(trial.value), "best_epochs",
                         (json_int_t)trial.epochs, "parameters", tune_parameters(t, trial.values),
                         "recipe", json_text(recipe)));
}

/* best.yaml lies elsewhere than the recipe, beside which data may lie. */
static void tell_recipe(const tuning *t, const char *best)
{
    const char *data = t->invocation.given->data, *recipe = t->settings->recipe;
    const char *slash = strrchr(recipe, '/');
    char folder[TUNING_PATH];
    if (!data && slash) {
        int size = slash == recipe ? 1 : (int)(slash - recipe);
        if (snprintf(folder, sizeof folder, "%.*s", size, recipe) < TUNING_PATH) data = folder;
    }
    printf("to train its recipe again: fathom train ");
    terminal_word(stdout, best);
    if (data) {
        printf(" --data ");
        terminal_word(stdout, data);
    }
    printf("\n");
}

static fm_status tell_end(command_run *c)
{
    tuning *t = &c->t;
    char recipe[TUNING_PATH];
    if (t->interrupted) {
        if (t->invocation.given->json) {
            json_print(
                json_pack("{s:s, s:o}", "event", "interrupted", "out", json_text(t->folder)));
        }
        fprintf(stderr, "interrupted; everything is kept in %s. To go on: the same command again\n",
                t->folder);
        return FM_ERROR_CANCELLED;
    }
    if (fm_search_best(t->search) < 0) {
        bool any = fm_search_trial_count(t->search) > 0;
        return fm_fail(t->invocation.context, FM_ERROR_ARGUMENT,
                       "no trial came to an end; the first failed: %s",
                       any && t->notes[0].reason ? t->notes[0].reason : "there was no time");
    }
    (void)tuning_path(t, "best.yaml", recipe);
    if (t->invocation.given->json) {
        print_end_event(t, recipe);
        return FM_OK;
    }
    tune_table_print(t);
    tell_recipe(t, recipe);
    return FM_OK;
}

static fm_status tune(command_run *c)
{
    fm_status status = open_search(c);
    if (status != FM_OK) return status;
    announce(c);
    status = search_on(c);
    tune_table_wipe(&c->t);
    tune_workers_close(&c->workers);
    if (status == FM_OK) status = write_files(c, true);
    return status == FM_OK ? tell_end(c) : status;
}

int tune_run(const arguments *given)
{
    command_run c = {.t = {.path = given->positional.items[0]}};
    tuning *t = &c.t;
    if (!invocation_open(&t->invocation, given)) return EXIT_INTERNAL;
    t->began = seconds_now();
    progress_catch_signals();
    fm_status status = tune(&c);
    progress_release_signals();
    tune_workers_close(&c.workers);
    fm_context *context = t->invocation.context;
    fm_search_destroy(t->search);
    fm_journal_close(t->journal);
    fm_search_close(t->file);
    fm_text_release(&c.given_set);
    fm_release(context, c.recipe_text);
    fm_release(context, t->assigned);
    fm_release(context, t->notes);
    fm_release(context, t->running);
    fm_release(context, c.jobs);
    return invocation_close(&t->invocation, status);
}

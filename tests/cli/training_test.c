/* train, eval, predict and show through the built program: events, figures that agree with each
 * other, resuming, interrupting. */
#include "support/program_events.h"

#define SPIRALS "recipes/spirals.yaml --set data.train_size=300 --set data.test_size=90 "

static void training_ends_with_its_figures(void **state)
{
    fixture *f = *state;
    const program_result *r = program_run(
        f, "$FATHOM train " SPIRALS "--epochs 3 --set data.validation_split=0.1 --json --quiet "
           "--out $HERE/m.safetensors");
    assert_string_equal(r->err, "");
    json_t *end = last_event(r);
    assert_string_equal(text_at(end, "event"), "end");
    assert_int_equal(number_at(end, "epochs", NULL), 3);
    assert_int_equal(number_at(end, "parameters", NULL), 3 * 32 + 33 * 32 + 33 * 3);
    assert_true(number_at(end, "train", "loss") > 0);
    assert_true(number_at(end, "validation", "loss") > 0);
    assert_true(number_at(end, "samples_per_second", NULL) > 0);
    assert_true(number_at(end, "seconds", NULL) > 0);
    double loss = number_at(end, "test", "loss"), accuracy = number_at(end, "test", "accuracy");
    json_decref(end);

    json_t *eval = last_event(program_run(f, "$FATHOM eval $HERE/m.safetensors --json"));
    assert_string_equal(text_at(eval, "event"), "eval");
    assert_int_equal(number_at(eval, "samples", NULL), 90);
    assert_near(number_at(eval, "loss", NULL), loss, 1e-6);
    assert_near(number_at(eval, "accuracy", NULL), accuracy, 1e-6);
    json_decref(eval);
}

/* Training ends with the averages' figures: so do the other commands' looks at its file. */
static void averaged_weights_are_what_is_looked_at(void **state)
{
    fixture *f = *state;
    json_t *end = last_event(program_run(f, "$FATHOM train " SPIRALS
                                            "--epochs 3 --set optimizer.adam.ema_momentum=0.95 "
                                            "--json --quiet --out $HERE/m.safetensors"));
    json_t *eval = last_event(program_run(f, "$FATHOM eval $HERE/m.safetensors --json"));
    assert_near(number_at(eval, "loss", NULL), number_at(end, "test", "loss"), 1e-6);
    json_decref(eval);
    json_decref(end);
}

static void threads_do_not_change_a_bit(void **state)
{
    fixture *f = *state;
    double losses[2];
    for (int i = 0; i < 2; i++) {
        char line[512];
        snprintf(
            line, sizeof line,
            "$FATHOM train recipes/strokes-mlp.yaml --set data.train_size=400 --set "
            "data.test_size=60 --epochs 2 --threads %d --json --quiet --out $HERE/m.safetensors",
            i + 1);
        json_t *end = last_event(program_run(f, line));
        losses[i] = number_at(end, "test", "loss");
        json_decref(end);
    }
    assert_true(losses[0] == losses[1]);
}

/* Training, then looking at the file in f32 and in bf16; what each command says of it. */
static void products_of_bf16(void **state)
{
    fixture *f = *state;
    static const char *const how[] = {"", "--precision f32", "--precision bf16"};
    double losses[3];
    json_t *end = last_event(program_run(f, "$FATHOM train " SPIRALS "--set train.precision=bf16 "
                                            "--epochs 3 --json --quiet --out $HERE/m.safetensors"));
    const double trained = number_at(end, "test", "loss");
    json_decref(end);
    for (int i = 0; i < 3; i++) {
        char line[256];
        snprintf(line, sizeof line, "$FATHOM eval $HERE/m.safetensors --json %s", how[i]);
        json_t *eval = last_event(program_run(f, line));
        losses[i] = number_at(eval, "loss", NULL);
        json_decref(eval);
    }
    assert_near(losses[0], trained, 1e-6);
    assert_true(losses[1] == losses[0] && losses[2] != losses[0]);
    assert_near(losses[2], losses[0], 0.01);
    const program_result *r = program_run(f, "$FATHOM show $HERE/m.safetensors");
    assert_non_null(strstr(r->out, "% of the FLOPs multiply operands rounded to bf16"));
    r = program_run(f, "$FATHOM show $HERE/m.safetensors --plan");
    assert_non_null(strstr(r->out, "fused_matmul.bf16("));
    r = program_run(f, "$FATHOM show $HERE/m.safetensors --set train.precision=f32");
    assert_null(strstr(r->out, "bf16"));
    r = program_run(f, "$FATHOM eval $HERE/m.safetensors --precision fp16");
    assert_int_equal(r->code, 2);
    assert_non_null(strstr(r->err, "fathom eval: --precision takes f32 or bf16; received 'fp16'"));
    r = program_run(f, "$FATHOM train " SPIRALS "--set train.precision=half");
    assert_non_null(strstr(r->err, "train: unknown precision 'half'"));
}

/* Events are written, and what is trained has the same bits. */
static void tensorboard_is_told(void **state)
{
    fixture *f = *state;
    static const char *const options[] = {"", "--tensorboard $HERE/runs/a"};
    double losses[2];
    for (int i = 0; i < 2; i++) {
        char line[512];
        snprintf(line, sizeof line,
                 "$FATHOM train " SPIRALS "--epochs 3 --set data.validation_split=0.1 --json "
                 "--quiet --out $HERE/m.safetensors %s",
                 options[i]);
        json_t *end = last_event(program_run(f, line));
        losses[i] = number_at(end, "test", "loss");
        json_decref(end);
    }
    assert_true(losses[0] == losses[1]);
    static const char *const tags[] = {"train/loss",
                                       "validation/accuracy",
                                       "learning_rate",
                                       "weights/dense/kernel",
                                       "gradients/dense/bias",
                                       "dense/matmul",
                                       "_hparams_/session_start_info"};
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, "cat $HERE/runs/a/events.out.tfevents.* | grep -ac '%s'",
                 tags[i]);
        if (program_run(f, line)->code != 0) fail_msg("%s: is not there", tags[i]);
    }
    program_run(f, "$FATHOM train " SPIRALS "--epochs 4 --quiet --resume $HERE/m.safetensors "
                   "--tensorboard $HERE/runs/a");
    const program_result *r = program_run(f, "ls $HERE/runs/a | wc -l");
    assert_int_equal(atoi(r->out), 2);
    r = program_run(f, "$FATHOM train " SPIRALS "--epochs 1 --tensorboard /dev/null/a");
    assert_int_equal(r->code, 5);
    assert_non_null(strstr(r->err, "/dev/null/a: cannot create"));
}

/* The spans of this name in a file of Chrome's trace event format, and what they take in all. */
static int spans_of(const json_t *timeline, const char *name, double *microseconds)
{
    const json_t *event;
    size_t i;
    int count = 0;
    *microseconds = 0;
    json_array_foreach(json_object_get(timeline, "traceEvents"), i, event)
    {
        if (strcmp(text_at(event, "name"), name) != 0 || strcmp(text_at(event, "ph"), "X") != 0) {
            continue;
        }
        assert_true(number_at(event, "ts", NULL) >= 0);
        *microseconds += number_at(event, "dur", NULL);
        count++;
    }
    return count;
}

static void a_timeline_is_written(void **state)
{
    fixture *f = *state;
    json_t *end = last_event(program_run(
        f, "$FATHOM train " SPIRALS "--epochs 3 --set data.validation_split=0.1 --json --quiet "
           "--timeline $HERE/t.json --set train.workers=1 --out $HERE/m.safetensors"));
    json_error_t wrong;
    json_t *timeline = json_load_file(fixture_path(f, "t.json"), 0, &wrong);
    if (!timeline) fail_msg("line %d: %s", wrong.line, wrong.text);
    double steps, epochs, waits;
    assert_int_equal(spans_of(timeline, "step", &steps), 3 * 9);
    assert_int_equal(spans_of(timeline, "epoch", &epochs), 3);
    assert_int_equal(spans_of(timeline, "validation", &waits), 3);
    assert_true(steps < epochs);
    assert_true(number_at(end, "data_wait", NULL) >= 0);
    assert_true(number_at(end, "data_wait_share", NULL) < 1);
    assert_non_null(strstr(text_at(end, "timeline"), "/t.json"));
    json_decref(timeline);
    json_decref(end);

    const program_result *r =
        program_run(f, "$FATHOM train " SPIRALS "--epochs 1 --quiet --timeline $HERE/t.json "
                       "--out $HERE/m.safetensors");
    assert_non_null(strstr(r->out, "waited      "));
    assert_non_null(strstr(r->out, "% of the time of steps; timeline: "));
    r = program_run(f, "$FATHOM train " SPIRALS "--epochs 1 --timeline /dev/null/t.json");
    assert_int_equal(r->code, 5);
    assert_non_null(strstr(r->err, "/dev/null/t.json: cannot"));
}

static void text_is_for_people(void **state)
{
    fixture *f = *state;
    const program_result *r =
        program_run(f, "$FATHOM train " SPIRALS "--epochs 2 --out $HERE/m.safetensors");
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->err, "epoch 1/2  loss "));
    assert_non_null(strstr(r->err, "epoch 2/2  loss "));
    assert_null(strchr(r->err, '\033'));
    assert_null(strchr(r->err, '\r'));
    assert_non_null(strstr(r->out, "test        loss "));
    assert_non_null(strstr(r->out, "2 epochs in "));
    assert_non_null(strstr(r->out, "saved as "));
}

static void the_default_name_is_the_recipes(void **state)
{
    fixture *f = *state;
    const program_result *r =
        program_run(f, "R=$PWD; cd $HERE; $FATHOM train $R/" SPIRALS "--epochs 1 --quiet && ls");
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->out, "spirals.safetensors\n"));
}

static void a_resumed_run_is_the_same_run(void **state)
{
    fixture *f = *state;
    program_run(f, "$FATHOM train " SPIRALS "--epochs 4 --quiet --out $HERE/whole.safetensors");
    program_run(f, "$FATHOM train " SPIRALS "--epochs 2 --quiet --out $HERE/half.safetensors");
    json_t *whole = last_event(program_run(f, "$FATHOM eval $HERE/whole.safetensors --json"));
    json_t *end = last_event(program_run(
        f, "$FATHOM train " SPIRALS "--epochs 4 --json --quiet --resume $HERE/half.safetensors"));
    assert_int_equal(number_at(end, "epochs", NULL), 4);
    assert_near(number_at(end, "test", "loss"), number_at(whole, "loss", NULL), 0);
    json_decref(end);
    json_t *resumed = last_event(program_run(f, "$FATHOM eval $HERE/half.safetensors --json"));
    assert_near(number_at(resumed, "loss", NULL), number_at(whole, "loss", NULL), 0);
    json_decref(resumed);
    /* The recipe is in the file, too. */
    end = last_event(program_run(f, "$FATHOM train --resume $HERE/whole.safetensors --epochs 5 "
                                    "--json --quiet --out $HERE/more.safetensors"));
    assert_int_equal(number_at(end, "epochs", NULL), 5);
    json_decref(end);
    json_decref(whole);
}

/* 150,000 steps take half a second or more on the fastest machine; it is stopped soon after the
 * first of 75 saved states, which is there after some ten milliseconds. */
#define LONG                                                                                       \
    "recipes/spirals.yaml --set data.train_size=3000 --set data.test_size=90 "                     \
    "--set train.checkpoint_every=2000 --set train.batch_size=10 --epochs 500 --threads 1 "        \
    "--quiet "

static void wait_and_kill(fixture *f, const char *signal_name, const char *file, char *line,
                          size_t size)
{
    (void)f;
    snprintf(line, size,
             "$FATHOM train " LONG "--out $HERE/%s & CHILD=$!; "
             "until [ -s $HERE/%s ]; do sleep 0.01; done; kill -%s $CHILD; wait $CHILD",
             file, file, signal_name);
}

static void after_an_interrupt_it_goes_on(void **state)
{
    fixture *f = *state;
    char line[1024];
    json_t *whole =
        last_event(program_run(f, "$FATHOM train " LONG "--json --out $HERE/whole.safetensors"));
    wait_and_kill(f, "TERM", "cut.safetensors", line, sizeof line);
    const program_result *r = program_run(f, line);
    assert_int_equal(r->code, 130);
    assert_non_null(strstr(r->err, "To go on:\n  fathom train recipes/spirals.yaml --resume "));
    assert_non_null(strstr(r->err, " --set data.train_size=3000 --set data.test_size=90 "));
    assert_non_null(strstr(r->err, " --set train.epochs=500\n"));
    json_t *end =
        last_event(program_run(f, "$FATHOM train " LONG "--json --resume $HERE/cut.safetensors"));
    assert_near(number_at(end, "test", "loss"), number_at(whole, "test", "loss"), 0);
    assert_near(number_at(end, "train", "loss"), number_at(whole, "train", "loss"), 0);
    json_decref(end);

    wait_and_kill(f, "KILL", "dead.safetensors", line, sizeof line);
    r = program_run(f, line);
    assert_int_equal(r->code, 128 + 9);
    end =
        last_event(program_run(f, "$FATHOM train " LONG "--json --resume $HERE/dead.safetensors"));
    assert_near(number_at(end, "test", "loss"), number_at(whole, "test", "loss"), 0);
    json_decref(end);
    json_decref(whole);
}

/* A model that takes long to write, stopped while it is written: the second signal comes then. */
static void a_second_signal_leaves_no_temporary_file(void **state)
{
    fixture *f = *state;
    const program_result *r = program_run(
        f,
        "$FATHOM train " SPIRALS "--set model.0.dense.units=1500 --set model.1.dense.units=1500 "
        "--epochs 100000 -q --out $HERE/m.safetensors & CHILD=$!; "
        "until [ -s $HERE/m.safetensors ]; do sleep 0.01; done; kill -TERM $CHILD; "
        "while kill -STOP $CHILD; do ls $HERE/*.tmp >$HERE/seen 2>/dev/null && break; "
        "kill -CONT $CHILD; sleep 0.001; done; kill -TERM $CHILD; kill -CONT $CHILD; wait $CHILD");
    assert_int_equal(r->code, 128 + 15);
    assert_string_equal(r->out, "");
    program_run_well(f, "test -s $HERE/seen && ! ls $HERE/*.tmp && test -s $HERE/m.safetensors");
}

static void a_line_to_go_on_is_one_for_a_shell(void **state)
{
    fixture *f = *state;
    const program_result *r = program_run(
        f, "ln -s \"$(realpath recipes/spirals.yaml)\" $HERE/\"it's one.yaml\"; "
           "$FATHOM train \"$HERE/it's one.yaml\" --out \"$HERE/a b.safetensors\" -q --epochs 9999 "
           "--set 'model.0={dense: 8}' & CHILD=$!; until [ -s \"$HERE/a b.safetensors\" ]; "
           "do sleep 0.01; done; kill -TERM $CHILD; wait $CHILD");
    assert_int_equal(r->code, 130);
    assert_non_null(strstr(r->err, "/it'\\''s one.yaml' --resume '"));
    assert_non_null(strstr(r->err, "/a b.safetensors' --set "));
    assert_non_null(strstr(r->err, "--set 'model.0={dense: 8}'"));
}

static void what_cannot_be_written_is_told(void **state)
{
    fixture *f = *state;
    const program_result *r = program_run(f, "$FATHOM train " SPIRALS "--out $HERE");
    assert_int_equal(r->code, 6);
    assert_non_null(strstr(r->err, ": is a folder, the name of a file was expected"));
    assert_null(strstr(r->err, "epoch")); /* before the first, not behind the last */
    r = program_run(f, "$FATHOM train " SPIRALS "--folds 2 --out $HERE/none/m.safetensors");
    assert_int_equal(r->code, 5);
    assert_non_null(strstr(r->err, "none/m.fold1.safetensors: cannot create"));
    assert_null(strstr(r->err, "epoch"));
    r = program_run(f, "ulimit -f 1; $FATHOM train " SPIRALS "--out $HERE/m.safetensors");
    assert_int_equal(r->code, 6);
    assert_non_null(strstr(r->err, "m.safetensors: cannot write: File too large"));
    assert_string_equal(program_run(f, "ls $HERE | grep safetensors")->out, "");
}

static void what_is_read_or_written_too_is_not_lost(void **state)
{
    fixture *f = *state;
    static const program_case runs[] = {
        {"cp recipes/spirals.yaml $HERE/r.yaml; $FATHOM train $HERE/r.yaml -o $HERE/./r.yaml", 2,
         "r.yaml: would be written over a file that is read"},
        {"cmp recipes/spirals.yaml $HERE/r.yaml", 0, ""},
        {"$FATHOM train $HERE/r.yaml -o $HERE/m.safetensors --timeline $HERE/m.safetensors", 2,
         "m.safetensors: would be written over what --timeline writes"},
        {"cd $HERE; $FATHOM train r.yaml --timeline r.safetensors", 3,
         "r.safetensors: the timeline would be written over the model"},
        {"cd $HERE; $FATHOM train r.yaml -o a.safetensors --set train.csv=t --timeline ./t", 3,
         "t: the history would be written over the timeline"},
        {"$FATHOM train " SPIRALS "--epochs 1 -q -o $HERE/m.safetensors", 0, "saved as"},
        {"$FATHOM train --resume $HERE/m.safetensors -o $HERE/n --timeline $HERE/m.safetensors", 2,
         "m.safetensors: would be written over the file of --resume"},
        {"ln -s m.safetensors $HERE/link; $FATHOM embed $HERE/m.safetensors -o $HERE/link", 2,
         "link: would be written over a file that is read"},
        {"$FATHOM embed $HERE/m.safetensors -o $HERE/a.csv --features $HERE/a.csv", 2,
         "would be written over what --features writes"},
        {"cd $HERE; printf 'x,y\\n1,2\\n2,3\\n3,5\\n4,6\\n' >t.csv; printf 'data: {set: csv, file: "
         "t.csv, target: y}\\nmodel: [{dense: 1}]\\nloss: mse\\noptimizer: sgd\\n' >t.yaml; "
         "$FATHOM train t.yaml -o t.csv",
         3, "t.csv: the model would be written over its data"},
        {"$FATHOM embed $HERE/m.safetensors -o $HERE/none/a.png", 5, "none/a.png: cannot create"},
        {"$FATHOM embed $HERE/m.safetensors --features $HERE/none/a.csv -o $HERE/a.png", 5,
         "none/a.csv: cannot create"},
        {"ls $HERE | grep -c 'a[.]png'", 1, ""}, /* it did not begin */
        {"$FATHOM train --resume $HERE/m.safetensors -o $HERE/m.safetensors -q", 0, "saved as"},
        {"$FATHOM eval $HERE/m.safetensors", 0, "accuracy"},
    };
    check_program(f, "", runs, sizeof runs / sizeof runs[0]);
}

#define TRAIN_TABLE                                                                                \
    "$FATHOM train t.yaml -q -o m.safetensors --set train.shuffle=false --set train.batch_size=1 "

/* With file and line, wherever they come from: training, validation, the part for tests. */
static void labels_without_a_meaning_are_refused(void **state)
{
    fixture *f = *state;
    static const char table[] = "a,b,c\n1,2,0\n\n3,4,1\n\"5\",6,2\n7,8,1\n";
    static const char words[] = "a,kind\n1,red\n2,blue\n3,green\n4,red\n";
    static const char recipe[] = "data: {set: csv, file: t.csv, target: c}\n"
                                 "model: [{dense: 1}]\n"
                                 "loss: binary_crossentropy\n"
                                 "optimizer: sgd\n";
    static const program_case runs[] = {
        {TRAIN_TABLE, 3,
         "t.csv:5: binary_crossentropy takes labels from 0 to 1, and \"c\" is 2; take a column "
         "of 0 and 1, or target_kind: categorical"},
        {TRAIN_TABLE "--set data.validation_split=0.5", 3, "t.csv:5: binary_crossentropy takes"},
        {TRAIN_TABLE "--set data.test_split=0.5", 3, "t.csv:5: binary_crossentropy takes"},
        {TRAIN_TABLE "--set loss=hinge", 3, "t.csv:5: hinge takes labels from -1 to 1"},
        {TRAIN_TABLE "--set loss=categorical_crossentropy", 3,
         "t.csv:5: categorical_crossentropy takes labels from 0 to 1, and \"c\" is 2; take classes "
         "(target_kind: categorical), or the shares"},
        {TRAIN_TABLE "--set loss=kl_divergence", 3, "t.csv:5: kl_divergence takes labels"},
        {TRAIN_TABLE "--set loss=mse", 0, "saved as"},
        {TRAIN_TABLE "--set data.target_kind=categorical", 3, "t.csv:5: binary_crossentropy takes"},
        {TRAIN_TABLE "--set data.file=w.csv --set data.target=kind --set loss=mse", 3,
         "w.csv: \"kind\" holds classes (\"blue\", \"green\", ...), and mean_squared_error is for "
         "numbers; take sparse_categorical_crossentropy and an output for each class"},
        {TRAIN_TABLE "--set data.file=w.csv --set data.target=kind", 3,
         "w.csv:2: binary_crossentropy takes labels from 0 to 1, and \"kind\" is class 2, \"red\""},
    };
    fixture_file(f, "t.csv", table, strlen(table));
    fixture_file(f, "w.csv", words, strlen(words));
    fixture_file(f, "t.yaml", recipe, strlen(recipe));
    check_program(f, "cd $HERE && ", runs, sizeof runs / sizeof runs[0]);
}

/* One row of f32 as NumPy writes it (format version 1). */
static void write_npy(fixture *f, const char *name, const float *row, int count)
{
    char bytes[512] = "\x93NUMPY\x01\x00\x76\x00";
    memset(bytes + 10, ' ', 118);
    char header[118];
    int size = snprintf(header, sizeof header,
                        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, %d), }", count);
    memcpy(bytes + 10, header, (size_t)size);
    bytes[127] = '\n';
    memcpy(bytes + 128, row, (size_t)count * sizeof *row);
    fixture_file(f, name, bytes, 128 + (size_t)count * sizeof *row);
}

static void predictions_name_classes(void **state)
{
    fixture *f = *state;
    program_run(f, "$FATHOM train " SPIRALS "--epochs 2 --quiet --out $HERE/m.safetensors");
    json_t *event =
        last_event(program_run(f, "$FATHOM predict $HERE/m.safetensors --sample 3 --top 2 --json"));
    assert_string_equal(text_at(event, "event"), "prediction");
    assert_int_equal(number_at(event, "index", NULL), 3);
    const json_t *top = json_object_get(event, "top");
    assert_int_equal(json_array_size(top), 2);
    double first = number_at(json_array_get(top, 0), "probability", NULL);
    double second = number_at(json_array_get(top, 1), "probability", NULL);
    assert_true(first >= second && second >= 0 && first + second <= 1.000001);
    assert_string_equal(text_at(event, "class"), text_at(json_array_get(top, 0), "class"));
    assert_non_null(text_at(event, "true"));
    json_decref(event);
    event =
        last_event(program_run(f, "echo 0.1,0.2 | $FATHOM predict $HERE/m.safetensors - --json"));
    assert_string_equal(text_at(event, "input"), "-");
    assert_null(json_object_get(event, "true"));
    double probability = number_at(event, "probability", NULL);
    json_decref(event);
    write_npy(f, "points.npy", (const float[]){0.1f, 0.2f}, 2);
    event =
        last_event(program_run(f, "$FATHOM predict $HERE/m.safetensors $HERE/points.npy --json"));
    assert_near(number_at(event, "probability", NULL), probability, 1e-6);
    json_decref(event);
    const program_result *r =
        program_run(f, "$FATHOM predict $HERE/m.safetensors --sample 0-2,5 --top 1");
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->out, "test 5   "));
    r = program_run(f, "$FATHOM predict $HERE/m.safetensors --sample 90");
    assert_int_equal(r->code, 3);
    assert_non_null(strstr(r->err, "--sample '90': the data has 90 samples, the last is 89"));
    r = program_run(f, "$FATHOM predict $HERE/m.safetensors --sample 3-");
    assert_non_null(strstr(r->err, "--sample '3-': numbers from 0 are wanted"));
    r = program_run(f, "$FATHOM predict $HERE/m.safetensors $HERE/photo.bmp");
    assert_non_null(strstr(r->err, "photo.bmp: what is it?"));
}

static void outputs_that_are_no_numbers_are_told(void **state)
{
    fixture *f = *state;
    write_npy(f, "far.npy", (const float[]){INFINITY, INFINITY}, 2);
    program_run_well(f, "$FATHOM train " SPIRALS "--epochs 1 -q --out $HERE/m.safetensors");
    program_run_well(
        f, "$FATHOM train " SPIRALS "--epochs 1 -q --set train.ignore_nonfinite=true "
           "--set 'optimizer={sgd: {learning_rate: 1e38}}' --out $HERE/broken.safetensors");
    static const program_case runs[] = {
        {"$FATHOM predict m.safetensors far.npy", 9,
         "far.npy: the model's outputs are not finite for 1 of 1 samples; the first, 0, holds a "
         "NaN "
         "or an infinity itself"},
        {"$FATHOM predict broken.safetensors --sample 3-5", 9,
         "broken.safetensors: its outputs are not finite, for its variable 'dense/kernel' holds a "
         "NaN or an infinity; train it again"},
    };
    check_program(f, "cd $HERE && ", runs, sizeof runs / sizeof runs[0]);
    const program_result *r = program_run(f, "$FATHOM predict $HERE/broken.safetensors -n 3,5");
    assert_string_equal(r->out, "test 3   not finite\ntest 5   not finite\n");
    r = program_run(f, "$FATHOM predict $HERE/broken.safetensors -n 3 --json");
    assert_non_null(strstr(r->out, "\"index\":3,\"finite\":false}\n"));
    assert_non_null(strstr(r->out, "\"exit_code\":9"));
}

static void a_table_is_learned_and_predicted(void **state)
{
    fixture *f = *state;
    char rows[8192] = "size,colour,price\n";
    for (int i = 0; i < 200; i++) {
        size_t used = strlen(rows);
        snprintf(rows + used, sizeof rows - used, "%d,%s,%d\n", i % 40, i % 2 ? "red" : "green",
                 1000 + 10 * (i % 40) + 200 * (i % 2));
    }
    fixture_file(f, "house.csv", rows, strlen(rows));
    static const char recipe[] =
        "data: {set: csv, file: house.csv, target: price, normalize: standardize,\n"
        "       target_normalize: standardize, test_split: {fraction: 0.2, shuffle: true}}\n"
        "model: [{dense: {units: 8, activation: tanh}}, {dense: 1}]\n"
        "loss: mean_squared_error\n"
        "optimizer: {adam: {learning_rate: 0.02}}\n"
        "metrics: [r2]\n"
        "train: {epochs: 60, batch_size: 16, seed: 3}\n";
    fixture_file(f, "house.yaml", recipe, strlen(recipe));
    json_t *end = last_event(
        program_run(f, "$FATHOM train $HERE/house.yaml --json --quiet --out $HERE/h.safetensors"));
    assert_true(number_at(end, "test", "r2") > 0.95);
    json_decref(end);
    fixture_file(f, "new.csv", "colour,size\nred,20\ngreen,20\n", 28);
    json_t *event = last_event(
        program_run(f, "$FATHOM predict $HERE/h.safetensors $HERE/new.csv --json | tail -1"));
    assert_near(number_at(event, "values", "price"), 1200, 0.05);
    json_decref(event);
    fixture_file(f, "odd.csv", "colour,size\nred,20\npink,20\nblue,20\npink,9\n", 42);
    const program_result *r =
        program_run_well(f, "$FATHOM predict $HERE/h.safetensors $HERE/odd.csv");
    assert_non_null(strstr(r->err,
                           "odd.csv: column \"colour\": \"blue\" and 1 more did not occur in "
                           "training: read as missing\n"));
}

static void pictures_are_drawn(void **state)
{
    fixture *f = *state;
    program_run(f, "$FATHOM train recipes/strokes-mlp.yaml --set data.train_size=200 --set "
                   "data.test_size=20 --epochs 1 --quiet --out $HERE/s.safetensors");
    const program_result *r =
        program_run(f, "$FATHOM predict $HERE/s.safetensors --sample 0 --picture");
    assert_int_equal(r->code, 0);
    int lines = 0;
    for (const char *c = r->out; *c; c++) lines += *c == '\n';
    assert_int_equal(lines, 15); /* the name, and 28 rows in pairs */
    assert_non_null(strchr(r->out, '@'));
    assert_null(strchr(r->out, '\033'));
}

static void show_counts_what_training_takes(void **state)
{
    fixture *f = *state;
    json_t *object = last_event(program_run(f, "$FATHOM show recipes/mnist-mlp.yaml --json"));
    assert_int_equal(number_at(object, "parameters", NULL), 535818);
    assert_true(number_at(object, "flops", NULL) >= 2 * 535040);
    assert_true(number_at(object, "memory", NULL) >= 4 * 535818);
    assert_int_equal(json_array_size(json_object_get(object, "layers")), 4);
    json_decref(object);
    const program_result *r = program_run(f, "$FATHOM show recipes/mnist-mlp.yaml");
    assert_non_null(strstr(r->out, "535,818"));
    assert_non_null(strstr(r->out, "(28, 28)"));
    r = program_run(f, "$FATHOM show recipes/mnist-mlp.yaml --graph");
    assert_non_null(strstr(r->out, "matmul"));
    r = program_run(f, "$FATHOM show recipes/mnist-mlp.yaml --plan");
    assert_non_null(strstr(r->out, "arena"));
    r = program_run(f, "$FATHOM show recipes/mnist-mlp.yaml --why");
    assert_int_equal(r->code, 0);
    program_run(f, "$FATHOM train " SPIRALS "--epochs 1 --quiet --out $HERE/m.safetensors");
    object = last_event(program_run(f, "$FATHOM show $HERE/m.safetensors --json"));
    assert_int_equal(number_at(object, "parameters", NULL), 3 * 32 + 33 * 32 + 33 * 3);
    json_decref(object);
}

static void show_lists_the_zoo(void **state)
{
    fixture *f = *state;
    json_t *object = json_loads(program_run(f, "$FATHOM show zoo --json")->out, 0, NULL);
    assert_true(json_array_size(json_object_get(object, "zoo")) > 30);
    json_decref(object);
    const program_result *r = program_run(f, "$FATHOM show zoo");
    assert_non_null(strstr(r->out, "138,357,544"));
    assert_non_null(strstr(r->out, "Gradient-based learning"));
    object = last_event(program_run(f, "$FATHOM show zoo/resnet50 --json"));
    assert_int_equal(number_at(object, "parameters", NULL), 25557032);
    assert_near(number_at(object, "macs", NULL), 4089184256, 0);
    assert_int_equal(number_at(object, "year", NULL), 2015);
    assert_int_equal(json_array_size(json_object_get(object, "layers")), 174);
    json_decref(object);
    r = program_run(f, "$FATHOM show zoo/resnet152");
    assert_non_null(strstr(r->out, "body/layer3/2 to body/layer3/35: the same 34 times"));
    assert_non_null(strstr(r->out, "60,192,808"));
    assert_int_equal(program_run(f, "$FATHOM show zoo/resnet51")->code, 2);
    r = program_run(f, "$FATHOM show zoo unet");
    assert_non_null(strstr(r->out, "how often the size is halved"));
}

/* A new head on a body that was trained before. */
static void training_starts_from_a_saved_model(void **state)
{
    fixture *f = *state;
    program_run(f, "$FATHOM train " SPIRALS "--epochs 3 --quiet --out $HERE/body.safetensors");
    const program_result *r = program_run(
        f, "$FATHOM train " SPIRALS "--epochs 1 --quiet --json --out $HERE/tuned.safetensors "
           "--set 'train.start_from={file: body.safetensors, skip: [dense_2/*]}' "
           "--set 'train.freeze=[dense/*, dense_1/*]'");
    assert_int_not_equal(r->code, 0); /* not here, and the recipe lies elsewhere */
    assert_non_null(strstr(r->err, "body.safetensors"));
    json_t *end = last_event(program_run(
        f, "R=$PWD; cd $HERE; $FATHOM train $R/" SPIRALS "--epochs 1 --quiet --json --out "
           "tuned.safetensors --set 'train.start_from={file: body.safetensors, skip: [dense_2/*]}' "
           "--set 'train.freeze=[dense/*, dense_1/*]'"));
    assert_true(number_at(end, "test", "loss") > 0);
    json_decref(end);
    r = program_run(f, "$FATHOM train " SPIRALS "--set 'train.freeze=[dens/*]' --out $HERE/x");
    assert_non_null(strstr(r->err, "no variable matches 'dens/*'; did you mean 'dense/*'?"));
    r = program_run(f, "$FATHOM train " SPIRALS "--set model.0.dense.units=7 --out $HERE/x --set "
                       "train.start_from=$HERE/body.safetensors");
    assert_non_null(strstr(r->err, "dense/bias is f32 (32), the model wants f32 (7)"));
    assert_non_null(strstr(r->err, "start_from: {file: ..., skip: [PATTERN]}"));
    r = program_run(f, "$FATHOM eval $HERE/tuned.safetensors --json"); /* needs no body any more */
    json_decref(last_event(r));
}

static void gradients_are_told(void **state)
{
    fixture *f = *state;
    const program_result *r = program_run(
        f, "$FATHOM train " SPIRALS "--epochs 2 --gradients --quiet --out $HERE/m.safetensors");
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->out, "gradients of step 1, epoch 1: norm "));
    assert_non_null(strstr(r->out, ", epoch 2: norm "));
    assert_non_null(strstr(r->out, "\n  dense_1  "));
    assert_non_null(strstr(r->out, "  kernel "));
    r = program_run(f, "$FATHOM train " SPIRALS "--epochs 1 --gradients-every 1000 --quiet --json "
                       "--out $HERE/m.safetensors | grep gradients");
    json_t *event = last_event(r);
    assert_string_equal(text_at(event, "event"), "gradients");
    assert_int_equal(number_at(event, "step", NULL), 1);
    const json_t *layers = json_object_get(event, "layers");
    assert_int_equal(json_array_size(layers), 3);
    const json_t *layer = json_array_get(layers, 2);
    assert_string_equal(text_at(layer, "layer"), "dense_2");
    assert_string_equal(text_at(layer, "state"), "sound");
    assert_true(number_at(layer, "norm", NULL) > 0);
    assert_int_equal(json_array_size(json_object_get(layer, "variables")), 2);
    json_decref(event);
}

#define UNET "recipes/strokes-unet.yaml --set data.train_size=32 --set data.test_size=8 "

static double arena_of(fixture *f, const char *setting, double *memory)
{
    char line[512];
    snprintf(line, sizeof line, "$FATHOM show " UNET "--batch-size 8 --json %s", setting);
    json_t *show = last_event(program_run(f, line));
    double arena = number_at(show, "arena_bytes", NULL);
    assert_true(number_at(show, "plain_arena_bytes", NULL) >= arena);
    if (memory) *memory = number_at(show, "memory", NULL);
    json_decref(show);
    return arena;
}

/* What show says before is what a budget changes; the trained figures stay the same. */
static void a_memory_budget_is_kept(void **state)
{
    fixture *f = *state;
    double losses[2], plain = arena_of(f, "", NULL);
    char setting[64], line[512];
    snprintf(setting, sizeof setting, "--set train.memory=%.0fKiB", 0.9 * plain / 1024);
    assert_true(arena_of(f, setting, NULL) <= 0.9 * plain);
    for (int i = 0; i < 2; i++) {
        snprintf(line, sizeof line,
                 "$FATHOM train " UNET "--batch-size 8 --epochs 1 --json --quiet --out "
                 "$HERE/m.safetensors %s",
                 i ? setting : "");
        json_t *end = last_event(program_run(f, line));
        losses[i] = number_at(end, "train", "loss");
        json_decref(end);
    }
    assert_true(losses[0] == losses[1]);
    snprintf(line, sizeof line, "$FATHOM show " UNET "--batch-size 8 %s", setting);
    const program_result *r = program_run(f, line);
    assert_non_null(strstr(r->out, "more FLOPs: values are computed again in backward"));
    r = program_run(f, "$FATHOM show " UNET "--batch-size 8");
    assert_non_null(strstr(r->out, "none; with train: {memory: "));
    r = program_run(f, "$FATHOM train " UNET "--set train.memory=20KiB --out $HERE/m");
    assert_int_equal(r->code, 3);
    assert_non_null(strstr(r->err, "at least "));
    r = program_run(f, "$FATHOM train " UNET "--set train.memory=much --out $HERE/m");
    assert_non_null(strstr(r->err, "a size like 4GiB or 800 MiB is wanted, received 'much'"));
}

static void memory_that_is_not_there_is_told(void **state)
{
    fixture *f = *state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* whose own address space is larger than any limit */
#endif
    const program_result *r = program_run(
        f, "ulimit -v 3000000; $FATHOM train " SPIRALS "--threads 1 "
           "--set data.train_size=4000 --batch-size 4000 --set model.0.dense.units=200000 "
           "--set model.1.dense.units=6 --out $HERE/m");
    assert_int_equal(r->code, 7);
    assert_non_null(strstr(r->err, "training in batches of 4000 "));
    assert_non_null(strstr(r->err, "train.memory=SIZE"));
}

/* Counted from elsewhere, the epoch that was restored is the one whose figures are told. */
static void the_best_of_later_epochs_is_told(void **state)
{
    fixture *f = *state;
    static const char later[] = "data: {set: spirals, train_size: 60, validation_split: 0.5}\n"
                                "model: [{dense: 3}]\nloss: sparse_categorical_crossentropy\n"
                                "optimizer: {sgd: {learning_rate: 50}}\n"
                                "train: {epochs: 9, initial_epoch: 5, seed: 3,\n"
                                "        early_stopping: {patience: 10, restore_best: true}}\n";
    fixture_file(f, "later.yaml", later, strlen(later));
    json_t *first = last_event(program_run_well(f, "cd $HERE && $FATHOM train later.yaml -q --json "
                                                   "--out m >events && sed -n 2p events"));
    json_t *end = last_event(program_run_well(f, "tail -n 1 $HERE/events"));
    assert_near(number_at(first, "epoch", NULL), 6, 0);
    assert_near(number_at(end, "kept_epoch", NULL), 6, 0);
    assert_near(number_at(end, "validation", "loss"), number_at(first, "validation", "loss"), 0);
    json_decref(first);
    json_decref(end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(training_ends_with_its_figures),
        fixture_test(averaged_weights_are_what_is_looked_at),
        fixture_test(the_best_of_later_epochs_is_told),
        fixture_test(threads_do_not_change_a_bit),
        fixture_test(products_of_bf16),
        fixture_test(tensorboard_is_told),
        fixture_test(a_timeline_is_written),
        fixture_test(text_is_for_people),
        fixture_test(the_default_name_is_the_recipes),
        fixture_test(a_resumed_run_is_the_same_run),
        fixture_test(after_an_interrupt_it_goes_on),
        fixture_test(a_second_signal_leaves_no_temporary_file),
        fixture_test(a_line_to_go_on_is_one_for_a_shell),
        fixture_test(what_cannot_be_written_is_told),
        fixture_test(what_is_read_or_written_too_is_not_lost),
        fixture_test(predictions_name_classes),
        fixture_test(outputs_that_are_no_numbers_are_told),
        fixture_test(labels_without_a_meaning_are_refused),
        fixture_test(a_table_is_learned_and_predicted),
        fixture_test(pictures_are_drawn),
        fixture_test(show_counts_what_training_takes),
        fixture_test(show_lists_the_zoo),
        fixture_test(training_starts_from_a_saved_model),
        fixture_test(gradients_are_told),
        fixture_test(a_memory_budget_is_kept),
        fixture_test(memory_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* YAML as a tree: places, what is refused and in which words, --set, printing. */
#include "support/fixture.h"
#include "train/recipe/recipe_tree.h"

static const char sample[] = "# a comment\n"
                             "data: {set: strokes}\n"
                             "model:\n"
                             "  - flatten\n"
                             "  - dense: {units: 128, note: \"a: \\\"b\\\"\"}\n"
                             "train:\n"
                             "  epochs: 3\n";

static fm_tree *parse(fm_arena *arena, const char *text)
{
    fm_tree *tree;
    assert_ok(arena->context, fm_tree_parse(arena, "r.yaml", text, strlen(text), &tree));
    return tree;
}

static void nodes_know_their_place(void **state)
{
    fixture *f = *state;
    fm_arena arena = {.context = f->context};
    fm_tree *tree = parse(&arena, sample);
    assert_int_equal(tree->count, 3);
    const fm_tree *model = fm_tree_get(tree, "model");
    assert_int_equal(model->kind, FM_TREE_LIST);
    assert_int_equal(model->count, 2);
    assert_string_equal(model->first->text, "flatten");
    const fm_tree *dense = fm_tree_get(model->first->next, "dense");
    const fm_tree *units = fm_tree_get(dense, "units");
    assert_string_equal(units->text, "128");
    assert_int_equal(units->key_line, 5);
    assert_int_equal(units->key_column, 13);
    assert_int_equal(units->line, 5);
    assert_int_equal(units->column, 20);
    assert_false(units->quoted);
    assert_true(fm_tree_get(dense, "note")->quoted);
    assert_null(fm_tree_get(tree, "loss"));
    assert_null(fm_tree_get(units, "units"));
    fm_arena_release(&arena);
}

/* Editors on Windows put a byte order mark in front. */
static void a_byte_order_mark_is_no_column(void **state)
{
    fixture *f = *state;
    fm_arena arena = {.context = f->context};
    fm_tree *tree = parse(&arena, "\xef\xbb\xbf"
                                  "a: {b: 1}\nc: 2\n");
    assert_non_null(fm_tree_get(fm_tree_get(tree, "a"), "b"));
    assert_int_equal(fm_tree_get(tree, "a")->column, 4);
    assert_non_null(fm_tree_get(tree, "c"));
    fm_arena_release(&arena);
}

static void nothing_is_an_empty_map(void **state)
{
    fixture *f = *state;
    fm_arena arena = {.context = f->context};
    fm_tree *tree = parse(&arena, "# only a comment\n");
    assert_int_equal(tree->kind, FM_TREE_MAP);
    assert_int_equal(tree->count, 0);
    assert_true(fm_tree_is_null(fm_tree_get(parse(&arena, "a:\nb: ~"), "a")));
    assert_true(fm_tree_is_null(fm_tree_get(parse(&arena, "a:\nb: ~"), "b")));
    assert_false(fm_tree_is_null(fm_tree_get(parse(&arena, "a: ''"), "a")));
    fm_arena_release(&arena);
}

typedef struct refusal {
    const char *text, *words;
} refusal;

static void what_is_not_a_recipe_is_refused_in_words(void **state)
{
    fixture *f = *state;
    static const refusal table[] = {
        {"a: 1\nb: 2\na: 3\n",
         "r.yaml:3:1: the key 'a' is here a second time; the first is in line 1"},
        {"a: {b: 1, b: 2}",
         "r.yaml:1:11: the key 'b' is here a second time; the first is in line 1"},
        {"a: &x [1]\nb: *x\n", "r.yaml:1:4: anchors (&name) have no place in a recipe"},
        {"b: *x\n", "r.yaml:1:4: aliases (*name) have no place in a recipe"},
        {"b: !!int 3\n", "r.yaml:1:4: tags (!type) have no place in a recipe"},
        {"a: 1\n---\nb: 2\n", "r.yaml:2:1: a second document begins; a recipe is one"},
        {"? [a, b]\n: 1\n", "r.yaml:1:3: a key must be a single word"},
        {"a: \"x\\0y\"", "r.yaml:1:4: a text must not hold a zero byte"},
        {"a: [1, 2\nb: 3\n", "r.yaml:2:2: not YAML: did not find expected ',' or ']', "
                             "while parsing a flow sequence that begins in line 1"},
        {"a:\n\tb: c", "r.yaml:2:1: not YAML: nothing begins with a tab"},
        {"a: b: c", "r.yaml:1:5: not YAML: mapping values are not allowed in this context"},
        {"a: \xff", "r.yaml: invalid leading UTF-8 octet at byte 3"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        fm_arena arena = {.context = f->context};
        fm_tree *tree;
        const char *text = table[i].text;
        assert_fails(f->context, FM_ERROR_FORMAT, table[i].words,
                     fm_tree_parse(&arena, "r.yaml", text, strlen(text), &tree));
        assert_null(tree);
        fm_arena_release(&arena);
    }
}

static void growth_is_limited(void **state)
{
    fixture *f = *state;
    fm_arena arena = {.context = f->context};
    fm_tree *tree;
    char deep[128] = {0};
    memset(deep, '[', FM_TREE_MAX_DEPTH + 1);
    assert_fails(f->context, FM_ERROR_FORMAT, "r.yaml:1:33: lists and maps are nested too deep",
                 fm_tree_parse(&arena, "r.yaml", deep, strlen(deep), &tree));
    char wide[4096] = "";
    for (int i = 0; i <= FM_TREE_MAX_KEYS; i++) {
        snprintf(wide + strlen(wide), sizeof wide - strlen(wide), "k%d: 1\n", i);
    }
    assert_fails(f->context, FM_ERROR_LIMIT, "r.yaml:257:1: a map has more than 256 keys",
                 fm_tree_parse(&arena, "r.yaml", wide, strlen(wide), &tree));
    assert_fails(f->context, FM_ERROR_LIMIT, "too many for a recipe",
                 fm_tree_parse(&arena, "r.yaml", "", FM_TREE_MAX_BYTES + 1, &tree));
    fm_arena_release(&arena);
}

static void set_changes_and_adds(void **state)
{
    fixture *f = *state;
    fm_arena arena = {.context = f->context};
    fm_tree *tree = parse(&arena, sample);
    static const char *const assignments[] = {
        "train.epochs=7",
        "model.1.dense.units=64",
        "optimizer.adam.learning_rate=0.1",
        "model.0.flatten.name=f",
        "model.2=dense",
        "metrics=[accuracy, {top_k_accuracy: {k: 3}}]",
    };
    for (size_t i = 0; i < sizeof assignments / sizeof assignments[0]; i++) {
        assert_ok(f->context, fm_tree_set(&arena, tree, assignments[i]));
    }
    const char *text;
    assert_ok(f->context, fm_tree_print(&arena, tree, &text));
    assert_string_equal(text, "data: {set: strokes}\n"
                              "model:\n"
                              "- flatten:\n"
                              "    name: f\n"
                              "- dense: {units: 64, note: \"a: \\\"b\\\"\"}\n"
                              "- dense\n"
                              "train:\n"
                              "  epochs: 7\n"
                              "optimizer:\n"
                              "  adam:\n"
                              "    learning_rate: 0.1\n"
                              "metrics: [accuracy, {top_k_accuracy: {k: 3}}]\n");
    fm_tree *again = parse(&arena, text);
    const char *twice;
    assert_ok(f->context, fm_tree_print(&arena, again, &twice));
    assert_string_equal(text, twice);
    fm_arena_release(&arena);
}

static void a_wrong_assignment_says_why(void **state)
{
    fixture *f = *state;
    static const refusal table[] = {
        {"train.epochs", "--set train.epochs: a key, an equals sign and a value are needed"},
        {"=3", "--set =3: a key, an equals sign and a value are needed"},
        {"a=", "--set a=: a key, an equals sign and a value are needed"},
        {"train..epochs=3", "--set train..epochs=3: a part between two dots is empty"},
        {"model.dense=3",
         "--set model.dense=3: 'dense' must be the number of one of the 2 entries"},
        {"model.3=dense", "--set model.3=dense: '3' must be the number of one of the 2 entries"},
        {"train.epochs.x=3", "--set train.epochs.x=3: 'x' cannot be set inside of '3'"},
        {"a=[1", "not YAML: did not find"},
    };
    fm_arena arena = {.context = f->context};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        fm_tree *tree = parse(&arena, sample);
        fm_status status = fm_tree_set(&arena, tree, table[i].text);
        assert_int_not_equal(status, FM_OK);
        assert_fails(f->context, status, table[i].words, status);
    }
    fm_arena_release(&arena);
}

static void errors_point_at_key_or_value(void **state)
{
    fixture *f = *state;
    fm_arena arena = {.context = f->context};
    fm_tree *tree = parse(&arena, sample);
    const fm_tree *epochs = fm_tree_get(fm_tree_get(tree, "train"), "epochs");
    assert_fails(f->context, FM_ERROR_ARGUMENT, "r.yaml:7:11: bad 1",
                 fm_tree_fail(f->context, epochs, FM_ERROR_ARGUMENT, "bad %d", 1));
    assert_fails(f->context, FM_ERROR_SHAPE, "r.yaml:7:3: bad",
                 fm_tree_fail_key(f->context, epochs, FM_ERROR_SHAPE, "bad"));
    assert_ok(f->context, fm_tree_set(&arena, tree, "train.epochs=9"));
    assert_fails(f->context, FM_ERROR_SHAPE, "--set train.epochs=9: bad",
                 fm_tree_fail(f->context, epochs, FM_ERROR_SHAPE, "bad"));
    fm_arena_release(&arena);
}

static fm_status parse_set_print(fm_context *context, void *argument)
{
    (void)argument;
    fm_arena arena = {.context = context};
    fm_tree *tree;
    const char *text;
    fm_status status = fm_tree_parse(&arena, "r.yaml", sample, strlen(sample), &tree);
    if (status == FM_OK) status = fm_tree_set(&arena, tree, "a.b.c=[1, 2]");
    if (status == FM_OK) status = fm_tree_print(&arena, tree, &text);
    fm_arena_release(&arena);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    assert_true(fail_each_allocation(f, parse_set_print, NULL) > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(nodes_know_their_place),
        fixture_test(a_byte_order_mark_is_no_column),
        fixture_test(nothing_is_an_empty_map),
        fixture_test(what_is_not_a_recipe_is_refused_in_words),
        fixture_test(growth_is_limited),
        fixture_test(set_changes_and_adds),
        fixture_test(a_wrong_assignment_says_why),
        fixture_test(errors_point_at_key_or_value),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

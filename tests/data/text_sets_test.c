#include "support/fixture.h"
#include "fathom/data_files.h"
#include "fathom/text_data.h"

#include <sys/stat.h>

static fm_dataset *running(fm_context *context, const char *text, fm_text_form form)
{
    fm_dataset *dataset;
    assert_ok(context, fm_dataset_from_text(context, "novel", text, strlen(text), &form, &dataset));
    return dataset;
}

static fm_transform *fit(fm_context *context, const fm_dataset *dataset, int64_t batch_size)
{
    fm_transform *transform;
    assert_ok(context,
              fm_transform_fit(context, dataset, &(fm_transform_options){.batch_size = batch_size},
                               &transform));
    return transform;
}

static fm_dataset *apply(fm_context *context, const fm_dataset *dataset,
                         const fm_transform *transform)
{
    fm_dataset *prepared;
    assert_ok(context, fm_dataset_transform(context, dataset, transform, &prepared));
    return prepared;
}

/* A field of all samples, as text. */
static void read_texts(fm_context *context, const fm_dataset *prepared,
                       const fm_transform *transform, int field, char *to)
{
    int32_t tokens[256];
    const fm_dataset_info *info = fm_dataset_about(prepared);
    int64_t length = info->fields[0].shape.dims[0];
    fm_data_request request = {.count = info->count};
    assert_true(info->count * length <= 256);
    request.fields[field] = tokens;
    assert_ok(context, fm_dataset_read(context, prepared, &request));
    *to = '\0';
    for (int64_t i = 0; i < info->count; i++) {
        char *text;
        size_t size;
        assert_ok(context, fm_vocabulary_decode(context, fm_transform_vocabulary(transform),
                                                tokens + i * length, length, &text, &size));
        sprintf(to + strlen(to), "%s|", text);
        fm_data_release(context, text);
    }
}

static void a_window_is_followed_by_its_targets(void **state)
{
    fixture *f = *state;
    char x[256], y[256];
    fm_dataset *raw = running(f->context, "abcdefgh", (fm_text_form){.length = 3, .stride = 2});
    fm_transform *transform = fit(f->context, raw, 0);
    fm_dataset *windows = apply(f->context, raw, transform);
    const fm_dataset_info *info = fm_dataset_about(windows);
    assert_int_equal(info->count, 3);
    assert_int_equal(info->rows, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(info->fields[i].dtype, FM_I32);
        assert_true(fm_shape_equal(info->fields[i].shape, FM_SHAPE(3)));
    }
    read_texts(f->context, windows, transform, 0, x);
    read_texts(f->context, windows, transform, 1, y);
    assert_string_equal(x, "abc|cde|efg|");
    assert_string_equal(y, "bcd|def|fgh|");
    fm_dataset_destroy(windows);
    fm_transform_destroy(transform);
    fm_dataset_destroy(raw);
}

static void the_end_validates(void **state)
{
    fixture *f = *state;
    char x[256];
    fm_dataset *raw = running(f->context, "aabbaabb\xc3\xa9zzz", (fm_text_form){.length = 2});
    fm_dataset *train, *validation;
    /* 13 bytes; the ninth is in the middle of a character */
    assert_ok(f->context, fm_dataset_split(f->context, raw, &(fm_split_options){.fraction = 0.3},
                                           &train, &validation));
    assert_int_equal(fm_dataset_about(train)->count, 9);
    fm_transform *transform = fit(f->context, train, 0);
    /* padding, unknown, a, b, and the character that begins in this part */
    assert_int_equal(fm_vocabulary_size(fm_transform_vocabulary(transform)), 5);
    fm_dataset *windows = apply(f->context, train, transform);
    read_texts(f->context, windows, transform, 0, x);
    assert_string_equal(x, "aa|bb|aa|bb|");
    fm_dataset_destroy(windows);
    windows = apply(f->context, validation, transform);
    read_texts(f->context, windows, transform, 0, x);
    assert_string_equal(x, "\xef\xbf\xbd\xef\xbf\xbd|"); /* letters that training has not seen */
    fm_dataset_destroy(windows);
    fm_dataset_destroy(train);
    fm_dataset_destroy(validation);
    assert_ok(f->context, fm_dataset_split(f->context, raw,
                                           &(fm_split_options){.fraction = 0.3, .shuffle = true},
                                           &train, &validation));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "split by position",
                 fm_dataset_transform(f->context, train, transform, &windows));
    fm_dataset_destroy(train);
    fm_dataset_destroy(validation);
    fm_transform_destroy(transform);
    fm_dataset_destroy(raw);
}

static void rows_go_on(void **state)
{
    fixture *f = *state;
    char x[256], y[256];
    fm_dataset *raw =
        running(f->context, "abcdefghijklmnopqrs", (fm_text_form){.length = 3, .stateful = true});
    fm_transform *transform = fit(f->context, raw, 2);
    fm_dataset *windows = apply(f->context, raw, transform);
    assert_int_equal(fm_dataset_about(windows)->rows, 2);
    read_texts(f->context, windows, transform, 0, x);
    read_texts(f->context, windows, transform, 1, y);
    assert_string_equal(x, "abc|jkl|def|mno|ghi|pqr|");
    assert_string_equal(y, "bcd|klm|efg|nop|hij|qrs|");
    fm_dataset *part;
    assert_ok(f->context, fm_dataset_range(f->context, windows, 1, 2, &part));
    assert_int_equal(fm_dataset_about(part)->rows, 0);
    fm_dataset_destroy(part);
    fm_dataset_destroy(windows);
    fm_transform_destroy(transform);
    fm_dataset_destroy(raw);
}

static void short_and_broken_texts_are_refused(void **state)
{
    fixture *f = *state;
    fm_dataset *raw = running(f->context, "abc", (fm_text_form){.length = 3}), *windows;
    fm_transform *transform = fit(f->context, raw, 0);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "3 tokens; a window of 3 and the token behind it",
                 fm_dataset_transform(f->context, raw, transform, &windows));
    assert_null(windows);
    fm_transform_destroy(transform);
    assert_fails(
        f->context, FM_ERROR_ARGUMENT, "are for numbers",
        fm_transform_fit(f->context, raw, &(fm_transform_options){.scale = 255}, &transform));
    fm_dataset_destroy(raw);
    raw = running(f->context, "abcdef", (fm_text_form){.length = 3, .stateful = true});
    transform = fit(f->context, raw, 4);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "4 rows (batch_size) of a window of 3 need 13",
                 fm_dataset_transform(f->context, raw, transform, &windows));
    fm_transform_destroy(transform);
    fm_dataset_destroy(raw);
    assert_fails(f->context, FM_ERROR_FORMAT, "novel: the text is empty",
                 fm_dataset_from_text(f->context, "novel", "", 0, NULL, &raw));
    assert_fails(f->context, FM_ERROR_FORMAT, "novel: byte 3 (line 2) is 0xff",
                 fm_dataset_from_text(f->context, "novel", "ab\n\xff", 4, NULL, &raw));
    fm_text_form bytes = {.vocabulary = {.kind = FM_VOCABULARY_BYTES}, .length = 2};
    assert_ok(f->context, fm_dataset_from_text(f->context, "novel", "ab\n\xff", 4, &bytes, &raw));
    fm_dataset_destroy(raw);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "the stride is the length, 8, received 4",
                 fm_dataset_from_text(f->context, "novel", "ab", 2,
                                      &(fm_text_form){.length = 8, .stride = 4, .stateful = true},
                                      &raw));
}

/* ---- labelled texts -------------------------------------------------------------------------- */

static const char table[] = "ham\tHow, \"are\", you,\nspam\tWIN a prize now now now\n"
                            "ham\tsee you\n";

static fm_dataset *parse(fm_context *context, const char *text,
                         const fm_text_classes_options *options)
{
    fm_dataset *dataset;
    assert_ok(context, fm_dataset_parse_text_classes(context, "t.tsv", text, strlen(text), options,
                                                     NULL, &dataset));
    return dataset;
}

static void tables_have_texts_and_classes(void **state)
{
    fixture *f = *state;
    fm_dataset *raw = parse(f->context, table, NULL);
    const char *const *names;
    size_t size;
    int64_t sizes[3];
    int32_t labels[3];
    assert_int_equal(fm_dataset_about(raw)->count, 3);
    assert_int_equal(fm_dataset_classes(raw, &names), 2);
    assert_string_equal(names[0], "ham");
    assert_string_equal(names[1], "spam");
    const char *text = fm_dataset_text(raw, 0, &size);
    assert_int_equal(size, 16);
    assert_memory_equal(text, "How, \"are\", you,", 16); /* no quoting where tabs separate */
    fm_data_request request = {.count = 3, .fields = {sizes, labels}};
    assert_ok(f->context, fm_dataset_read(f->context, raw, &request));
    assert_memory_equal(sizes, ((int64_t[]){16, 23, 7}), sizeof sizes);
    assert_memory_equal(labels, ((int32_t[]){0, 1, 0}), sizeof labels);
    assert_null(fm_dataset_text(raw, 3, &size));
    fm_dataset_destroy(raw);

    raw = parse(f->context, "review,stars\n\"Good, \"\"very\"\" good\",5\nbad,1\nfine,5\n", NULL);
    assert_int_equal(fm_dataset_about(raw)->count, 3); /* "stars" is no other line's label */
    assert_int_equal(fm_dataset_classes(raw, &names), 2);
    assert_string_equal(names[0], "1");
    text = fm_dataset_text(raw, 0, &size);
    assert_int_equal(size, 17);
    assert_memory_equal(text, "Good, \"very\" good", 17);
    fm_dataset_destroy(raw);

    raw = parse(f->context, "id;kind;words\n1;a;first one\n2;b;second\n",
                &(fm_text_classes_options){.text = "words", .label = "1"});
    assert_int_equal(fm_dataset_about(raw)->count, 2);
    fm_dataset_destroy(raw);
    raw = parse(f->context, "only texts\nwithout classes\n",
                &(fm_text_classes_options){.separator = FM_CSV_SEPARATOR_TAB});
    assert_int_equal(fm_dataset_about(raw)->count, 2);
    assert_int_equal(fm_dataset_about(raw)->field_count, 1);
    fm_dataset_destroy(raw);
}

static void texts_become_tokens_of_one_length(void **state)
{
    fixture *f = *state;
    const char *const texts[] = {"a b c d", "a", ""};
    fm_labelled_texts given = {.name = "few", .count = 3, .texts = texts};
    static const int32_t expected[4][9] = {
        {2, 3, 4, 2, 0, 0, 0, 0, 0}, /* end, end */
        {3, 4, 5, 2, 0, 0, 0, 0, 0}, /* start, end */
        {2, 3, 4, 0, 0, 2, 0, 0, 0}, /* end, start */
        {3, 4, 5, 0, 0, 2, 0, 0, 0}, /* start, start */
    };
    for (int i = 0; i < 4; i++) {
        fm_text_form form = {.length = 3,
                             .truncate = i % 2,
                             .pad = i / 2,
                             .vocabulary = {.kind = FM_VOCABULARY_WORDS}};
        fm_dataset *raw;
        assert_ok(f->context, fm_dataset_from_texts(f->context, &given, &form, &raw));
        fm_transform *transform = fit(f->context, raw, 0);
        fm_dataset *prepared = apply(f->context, raw, transform);
        int32_t tokens[9];
        fm_data_request request = {.count = 3, .fields = {tokens}};
        assert_ok(f->context, fm_dataset_read(f->context, prepared, &request));
        assert_memory_equal(tokens, expected[i], sizeof tokens);
        fm_dataset_destroy(prepared);
        fm_transform_destroy(transform);
        fm_dataset_destroy(raw);
    }
}

static void the_length_holds_most_texts(void **state)
{
    fixture *f = *state;
    char words[100][201];
    const char *texts[100];
    for (int i = 0; i < 100; i++) {
        memset(words[i], 'a', 200);
        words[i][i < 96 ? 1 + i % 20 : 200] = '\0';
        texts[i] = words[i];
    }
    fm_labelled_texts given = {.name = "many", .count = 100, .texts = texts};
    fm_dataset *raw;
    assert_ok(f->context, fm_dataset_from_texts(f->context, &given, NULL, &raw));
    fm_transform *transform = fit(f->context, raw, 0);
    assert_true(fm_shape_equal(fm_transform_output(transform)->fields[0].shape, FM_SHAPE(20)));
    fm_transform_destroy(transform);
    fm_dataset_destroy(raw);
}

static void tables_that_are_none_are_refused(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *text;
        fm_text_classes_options options;
        fm_status status;
        const char *words;
    } cases[] = {
        {"", {0}, FM_ERROR_FORMAT, "t.csv: there are no lines in it"},
        {"a,b\n1\n", {0}, FM_ERROR_FORMAT, "t.csv:2:1: 1 cells in this line, 2 in the first"},
        {"text,label\nx,y\n", {.label = "lable"}, FM_ERROR_NOT_FOUND, "did you mean 'label'?"},
        {"a,b,c\n1,2,3\n", {0}, FM_ERROR_ARGUMENT, "3 columns: say which one holds the texts"},
        {"a,b\n1,2\n", {.text = "0", .label = "0"}, FM_ERROR_ARGUMENT, "the same column, 0"},
        {"text,label\n",
         {.header = FM_CSV_HEADER_YES},
         FM_ERROR_FORMAT,
         "no line below the header"},
        {"long text,a\nother,\n", {0}, FM_ERROR_FORMAT, "t.csv:2:7: a label is missing here"},
        {"a,a long text\nb,caf\xe9 or so\n",
         {0},
         FM_ERROR_FORMAT,
         "t.csv:2:3: byte 20 of the file is 0xe9, which is no UTF-8 text"},
        {"a,a long text\n\xff,or so\n",
         {.form.vocabulary.kind = FM_VOCABULARY_BYTES},
         FM_ERROR_FORMAT,
         "byte 15 of the file is 0xff"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fm_dataset *dataset;
        assert_fails(f->context, cases[i].status, cases[i].words,
                     fm_dataset_parse_text_classes(f->context, "t.csv", cases[i].text,
                                                   strlen(cases[i].text), &cases[i].options, NULL,
                                                   &dataset));
        assert_null(dataset);
    }
    const fm_column known = {.kind = FM_COLUMN_CATEGORICAL,
                             .category_count = 1,
                             .categories = (const char *const[]){"ham"}};
    fm_dataset *dataset;
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "t.tsv:2:1: the label 'spam' is none of the 1 classes that are known",
                 fm_dataset_parse_text_classes(f->context, "t.tsv", table, strlen(table), NULL,
                                               &known, &dataset));
}

static void other_data_is_refused(void **state)
{
    fixture *f = *state;
    fm_dataset *texts = parse(f->context, table, NULL), *prepared;
    fm_dataset *novel = running(f->context, "abcabc", (fm_text_form){.length = 2});
    fm_transform *of_texts = fit(f->context, texts, 0), *of_novel = fit(f->context, novel, 0);
    assert_fails(f->context, FM_ERROR_SHAPE,
                 "\"x\" is a running text, the transform was fitted on a text a sample",
                 fm_dataset_transform(f->context, novel, of_texts, &prepared));
    assert_fails(f->context, FM_ERROR_SHAPE,
                 "\"x\" is a text a sample, the transform was fitted on a running text",
                 fm_dataset_transform(f->context, texts, of_novel, &prepared));
    fm_dataset *other = parse(f->context, "eggs\tmany words\neggs\tfew\n", NULL);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "class \"eggs\" was not in the data",
                 fm_dataset_transform(f->context, other, of_texts, &prepared));
    fm_dataset_destroy(other);
    fm_transform_destroy(of_texts);
    fm_transform_destroy(of_novel);
    fm_dataset_destroy(texts);
    fm_dataset_destroy(novel);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void make_folder(fixture *f, const char *name)
{
    assert_int_equal(mkdir(fixture_path(f, name), 0700), 0);
}

static void folders_are_classes(void **state)
{
    fixture *f = *state;
    static const char *const folders[] = {"set",           "set/train", "set/train/pos",
                                          "set/train/neg", "set/test",  "set/test/pos"};
    for (int i = 0; i < 6; i++) make_folder(f, folders[i]);
    fixture_file(f, "set/train/pos/b.txt", "good\n", 5);
    fixture_file(f, "set/train/pos/a.txt", "\xef\xbb\xbfvery good", 12);
    fixture_file(f, "set/train/pos/notes.md", "?", 1);
    fixture_file(f, "set/train/neg/1.txt", "bad", 3);
    fixture_file(f, "set/test/pos/1.txt", "nice", 4);
    const fm_dataset_record *record;
    assert_ok(f->context, fm_dataset_record_find(f->context, "text_classes", &record));
    fm_text_classes_options options = {.folder = fixture_path(f, "set")};
    fm_dataset *train, *test;
    assert_ok(f->context, record->open(f->context, &options, NULL, &train, &test));
    const char *const *names;
    size_t size;
    assert_int_equal(fm_dataset_about(train)->count, 3);
    assert_int_equal(fm_dataset_about(test)->count, 1);
    assert_int_equal(fm_dataset_classes(train, &names), 2);
    assert_string_equal(names[0], "neg");
    const char *text = fm_dataset_text(train, 1, &size);
    assert_int_equal(size, 9);
    assert_memory_equal(text, "very good", 9);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    options.memory_limit = 20;
    assert_fails(f->context, FM_ERROR_LIMIT, "set: the texts take more than the 20 bytes",
                 record->open(f->context, &options, NULL, &train, &test));
    options.memory_limit = 0;
    make_folder(f, "set/test/other");
    fixture_file(f, "set/test/other/1.txt", "?", 1);
    assert_fails(f->context, FM_ERROR_FORMAT,
                 "1.txt: class \"other\" has no folder among the training texts",
                 record->open(f->context, &options, NULL, &train, &test));
    assert_null(train);
    fixture_file(f, "set/train/neg/2.txt", "caf\xe9", 4);
    assert_fails(f->context, FM_ERROR_FORMAT,
                 "set/train/neg/2.txt: byte 3 (line 1) is 0xe9, which is no UTF-8 text",
                 record->open(f->context, &options, NULL, &train, &test));
    options.folder = fixture_path(f, "set/test/pos");
    assert_fails(f->context, FM_ERROR_FORMAT, "no folders of classes",
                 record->open(f->context, &options, NULL, &train, &test));
    options.file = "t.csv";
    assert_fails(f->context, FM_ERROR_ARGUMENT, "not both",
                 record->open(f->context, &options, NULL, &train, &test));
    options.file = options.folder = NULL;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "one of them",
                 record->open(f->context, &options, NULL, &train, &test));
}

static void archives_are_folders(void **state)
{
    fixture *f = *state;
    make_folder(f, "set");
    make_folder(f, "set/a");
    make_folder(f, "set/b");
    fixture_file(f, "set/a/1.txt",
                 "\xef\xbb\xbf"
                 "first",
                 8);
    fixture_file(f, "set/b/1.txt", "second", 6);
    char command[400];
    snprintf(command, sizeof command, "cd %s/.. && tar czf set.tar.gz set", fixture_path(f, "set"));
    assert_int_equal(system(command), 0);
    const fm_dataset_record *record;
    assert_ok(f->context, fm_dataset_record_find(f->context, "text_classes", &record));
    fm_text_classes_options options = {.folder = fixture_path(f, "set.tar.gz")};
    fm_dataset *train, *test;
    assert_ok(f->context, record->open(f->context, &options, NULL, &train, &test));
    assert_null(test);
    assert_int_equal(fm_dataset_about(train)->count, 2);
    size_t size;
    assert_memory_equal(fm_dataset_text(train, 0, &size), "first", 5);
    assert_int_equal(size, 5);
    assert_memory_equal(fm_dataset_text(train, 1, &size), "second", 6);
    assert_int_equal(size, 6);
    fm_dataset_destroy(train);
    options.memory_limit = 10;
    assert_fails(f->context, FM_ERROR_LIMIT, "set.tar.gz: the texts take more than the 10 bytes",
                 record->open(f->context, &options, NULL, &train, &test));
}

static fm_status open_folder(fm_context *context, void *argument)
{
    const fm_dataset_record *record;
    fm_dataset *train, *test;
    fm_status status = fm_dataset_record_find(context, "text_classes", &record);
    if (status == FM_OK) status = record->open(context, argument, NULL, &train, &test);
    if (status != FM_OK) return status;
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    return FM_OK;
}

static void reading_a_folder_may_run_out_of_memory(void **state)
{
    fixture *f = *state;
    make_folder(f, "set");
    make_folder(f, "set/a");
    make_folder(f, "set/b");
    fixture_file(f, "set/a/1.txt", "first", 5);
    fixture_file(f, "set/b/1.txt", "second", 6);
    fm_text_classes_options options = {.folder = fixture_path(f, "set")};
    assert_true(fail_each_allocation(f, open_folder, &options) >= 15);
}

static void files_are_opened(void **state)
{
    fixture *f = *state;
    const char *path = fixture_file(f, "novel.txt",
                                    "\xef\xbb\xbf"
                                    "abcd",
                                    7);
    fm_dataset *dataset, *test;
    assert_ok(f->context, fm_dataset_open_text(f->context, path, NULL, &dataset));
    assert_int_equal(fm_dataset_about(dataset)->count, 4);
    fm_dataset_destroy(dataset);
    assert_fails(
        f->context, FM_ERROR_FORMAT, "the text is empty",
        fm_dataset_open_text(f->context, fixture_file(f, "empty.txt", "", 0), NULL, &dataset));
    const fm_dataset_record *record;
    assert_ok(f->context, fm_dataset_record_find(f->context, "text", &record));
    fm_text_file_options options = {.file = path, .test_file = path, .form = {.length = 2}};
    assert_ok(f->context, record->open(f->context, &options, NULL, &dataset, &test));
    assert_non_null(test);
    fm_dataset_destroy(dataset);
    fm_dataset_destroy(test);
    options.memory_limit = 3;
    assert_fails(f->context, FM_ERROR_LIMIT, "novel.txt",
                 record->open(f->context, &options, NULL, &dataset, &test));
    fm_text_classes_options classes = {.file = fixture_file(f, "t.tsv", table, sizeof table - 1)};
    classes.test_file = fixture_file(f, "u.tsv", "eggs\tcheese\n", 12);
    assert_ok(f->context, fm_dataset_record_find(f->context, "text_classes", &record));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "u.tsv:1:1: the label 'eggs' is none of the 2",
                 record->open(f->context, &classes, NULL, &dataset, &test));
    assert_null(dataset);
}

/* ---- the built-in one, JSON, memory ---------------------------------------------------------- */

static void sentences_agree(void **state)
{
    fixture *f = *state;
    fm_grammar_options options = {.sentences = 50, .test_sentences = 5, .form = {.length = 16}};
    fm_dataset *train, *test, *again;
    assert_ok(f->context, fm_dataset_grammar(f->context, &options, &train, &test));
    options.sentences = 60; /* sentence i depends on the seed and i alone */
    assert_ok(f->context, fm_dataset_grammar(f->context, &options, &again, NULL));
    int64_t count = fm_dataset_about(train)->count;
    assert_true(fm_dataset_about(again)->count > count);
    unsigned char a[8192], b[8192];
    fm_data_request request = {.count = count, .fields = {a}};
    assert_true(count <= 8192);
    assert_ok(f->context, fm_dataset_read(f->context, train, &request));
    request.fields[0] = b;
    assert_ok(f->context, fm_dataset_read(f->context, again, &request));
    assert_memory_equal(a, b, (size_t)count);
    int lines = 0;
    for (int64_t i = 0; i < count; i++) lines += a[i] == '\n';
    assert_int_equal(lines, 50);
    a[count - 1] = '\0';
    assert_null(strstr((const char *)a, " a old"));
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    fm_dataset_destroy(again);
}

static void a_transform_of_texts_survives_its_json(void **state)
{
    fixture *f = *state;
    fm_text_classes_options options = {
        .form = {.length = 4, .pad = FM_TEXT_START, .vocabulary.kind = FM_VOCABULARY_WORDS}};
    fm_dataset *sets[] = {
        parse(f->context, table, &options),
        running(f->context, "abcabcabcabcd", (fm_text_form){.length = 3, .stateful = true})};
    for (int i = 0; i < 2; i++) {
        fm_transform *before = fit(f->context, sets[i], 2), *after;
        char *json, *again;
        assert_ok(f->context, fm_transform_to_json(f->context, before, &json));
        assert_ok(f->context, fm_transform_from_json(f->context, json, strlen(json), &after));
        assert_ok(f->context, fm_transform_to_json(f->context, after, &again));
        assert_string_equal(json, again);
        fm_dataset *a = apply(f->context, sets[i], before), *b = apply(f->context, sets[i], after);
        assert_int_equal(fm_dataset_about(a)->rows, fm_dataset_about(b)->rows);
        assert_int_equal(fm_dataset_about(b)->field_count, 2);
        int32_t x[2][64] = {{0}}, y[2][64] = {{0}};
        fm_data_request request = {.count = fm_dataset_about(a)->count, .fields = {x[0], y[0]}};
        assert_ok(f->context, fm_dataset_read(f->context, a, &request));
        request.fields[0] = x[1];
        request.fields[1] = y[1];
        assert_ok(f->context, fm_dataset_read(f->context, b, &request));
        assert_memory_equal(x[0], x[1], sizeof x[0]);
        assert_memory_equal(y[0], y[1], sizeof y[0]);
        fm_dataset_destroy(a);
        fm_dataset_destroy(b);
        fm_data_release(f->context, json);
        fm_data_release(f->context, again);
        fm_transform_destroy(before);
        fm_transform_destroy(after);
        fm_dataset_destroy(sets[i]);
    }
}

static fm_status open_and_prepare(fm_context *context, void *argument)
{
    bool is_running = *(bool *)argument;
    fm_dataset *raw = NULL, *prepared = NULL;
    fm_transform *transform = NULL;
    fm_status status =
        is_running
            ? fm_dataset_grammar(
                  context,
                  &(fm_grammar_options){.sentences = 5, .test_sentences = 5, .form = {.length = 8}},
                  &raw, NULL)
            : fm_dataset_parse_text_classes(context, "t", table, sizeof table - 1, NULL, NULL,
                                            &raw);
    if (status == FM_OK) status = fm_transform_fit(context, raw, NULL, &transform);
    if (status == FM_OK) status = fm_dataset_transform(context, raw, transform, &prepared);
    fm_dataset_destroy(prepared);
    fm_transform_destroy(transform);
    fm_dataset_destroy(raw);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 2; i++) {
        assert_true(fail_each_allocation(f, open_and_prepare, &(bool){i == 0}) >= 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(a_window_is_followed_by_its_targets),
        fixture_test(the_end_validates),
        fixture_test(rows_go_on),
        fixture_test(short_and_broken_texts_are_refused),
        fixture_test(tables_have_texts_and_classes),
        fixture_test(texts_become_tokens_of_one_length),
        fixture_test(the_length_holds_most_texts),
        fixture_test(tables_that_are_none_are_refused),
        fixture_test(other_data_is_refused),
        fixture_test(folders_are_classes),
        fixture_test(archives_are_folders),
        fixture_test(reading_a_folder_may_run_out_of_memory),
        fixture_test(files_are_opened),
        fixture_test(sentences_agree),
        fixture_test(a_transform_of_texts_survives_its_json),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

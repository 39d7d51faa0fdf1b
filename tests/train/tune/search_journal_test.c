/* The journal of a search: what was appended is there again, whatever a crash has cut off. */
#include "support/fixture.h"

#include "train/tune/file/search_journal.h"

static const fm_journal_identity identity[] = {{"space", "{a: [1, 2]}"}, {"recipe", "model"}};

static fm_search_journal *open_journal(fixture *f, const char *path)
{
    fm_search_journal *journal;
    assert_ok(f->context, fm_journal_open(f->context, path, identity, 2, &journal));
    return journal;
}

static const fm_journal_record records[] = {
    {.trial = 0, .to = 3, .value = 0.1, .epoch = 2, .trained = 3, .seconds = 1.5, .elapsed = 2},
    {.trial = 1,
     .to = 3,
     .value = NAN,
     .seconds = 0.5,
     .elapsed = 2.5,
     .reason = "dense: \"units\"\n is 1/0 \xff"},
    {.trial = 0, .to = 9, .value = 1.0 / 3, .epoch = 8, .trained = 9, .seconds = 4, .elapsed = 7},
};
enum { RECORDS = sizeof records / sizeof records[0] };

static void write_journal(fixture *f, const char *path)
{
    bool maximize;
    fm_search_journal *journal = open_journal(f, path);
    assert_false(fm_journal_begun(journal, &maximize));
    assert_ok(f->context, fm_journal_begin(journal, true));
    for (int i = 0; i < RECORDS; i++)
        assert_ok(f->context, fm_journal_append(journal, &records[i]));
    fm_journal_close(journal);
}

static void what_was_appended_is_there_again(void **state)
{
    fixture *f = *state;
    bool maximize = false;
    const char *path = fixture_path(f, "journal.jsonl");
    write_journal(f, path);
    fm_search_journal *journal = open_journal(f, path);
    assert_true(fm_journal_begun(journal, &maximize));
    assert_true(maximize);
    assert_int_equal(fm_journal_count(journal), RECORDS);
    assert_true(fm_journal_elapsed(journal) == 7);
    const fm_journal_record *record = fm_journal_find(journal, 0, 9);
    assert_true(record->value == 1.0 / 3);
    assert_int_equal(record->epoch, 8);
    assert_int_equal(record->trained, 9);
    assert_null(record->reason);
    assert_string_equal(fm_journal_find(journal, 1, 3)->reason, "dense: \"units\"\n is 1/0 ?");
    assert_null(fm_journal_find(journal, 1, 9));
    fm_journal_close(journal);
}

/* Cut at any byte, the whole lines in front of it are kept and new ones follow them. */
static void a_torn_journal_goes_on(void **state)
{
    fixture *f = *state;
    char bytes[4096];
    write_journal(f, fixture_path(f, "journal.jsonl"));
    FILE *stream = fopen(fixture_path(f, "journal.jsonl"), "rb");
    size_t size = fread(bytes, 1, sizeof bytes, stream);
    fclose(stream);
    assert_true(size > 200 && size < sizeof bytes);
    int step = fixture_is_watched() ? 7 : 1;
    for (size_t cut = 0; cut < size; cut += (size_t)step) {
        const char *path = fixture_file(f, "torn.jsonl", bytes, cut);
        int lines = 0;
        bool maximize;
        for (size_t i = 0; i < cut; i++) lines += bytes[i] == '\n';
        fm_search_journal *journal = open_journal(f, path);
        assert_true(fm_journal_begun(journal, &maximize) == (lines > 0));
        assert_int_equal(fm_journal_count(journal), lines > 0 ? lines - 1 : 0);
        if (lines == 0) assert_ok(f->context, fm_journal_begin(journal, true));
        for (int i = lines > 0 ? lines - 1 : 0; i < RECORDS; i++) {
            assert_ok(f->context, fm_journal_append(journal, &records[i]));
        }
        fm_journal_close(journal);
        char again[sizeof bytes];
        stream = fopen(path, "rb");
        assert_int_equal(fread(again, 1, sizeof again, stream), size);
        fclose(stream);
        assert_memory_equal(again, bytes, size);
    }
}

static void other_searches_and_files_are_refused(void **state)
{
    fixture *f = *state;
    const char *path = fixture_path(f, "journal.jsonl");
    static const fm_journal_identity other[] = {{"space", "{a: [1, 2]}"}, {"recipe", "another"}};
    fm_search_journal *journal, *second;
    write_journal(f, path);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "this search was begun with another recipe",
                 fm_journal_open(f->context, path, other, 2, &journal));
    journal = open_journal(f, path);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "another process works on this search",
                 fm_journal_open(f->context, path, identity, 2, &second));
    fm_journal_close(journal);
    static const char *const wrong[][2] = {
        {"hello\n", ":1: this is not JSON"},
        {"{\"a\":1}\n", ":1: this is not the journal of a search"},
    };
    for (int i = 0; i < 2; i++) {
        path = fixture_file(f, "wrong.jsonl", wrong[i][0], strlen(wrong[i][0]));
        assert_fails(f->context, FM_ERROR_FORMAT, wrong[i][1],
                     fm_journal_open(f->context, path, identity, 2, &journal));
    }
    write_journal(f, fixture_path(f, "damaged.jsonl"));
    FILE *stream = fopen(fixture_path(f, "damaged.jsonl"), "ab");
    fputs("{\"trial\":3,\"value\":0.5}\n", stream);
    fclose(stream);
    assert_fails(
        f->context, FM_ERROR_FORMAT, "damaged.jsonl:5: this is not a trial's record",
        fm_journal_open(f->context, fixture_path(f, "damaged.jsonl"), identity, 2, &journal));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(what_was_appended_is_there_again),
        fixture_test(a_torn_journal_goes_on),
        fixture_test(other_searches_and_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

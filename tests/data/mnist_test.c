#include "support/fixture.h"
#include "fathom/data_files.h"

/* The real set, where the machine has it: $FATHOM_DATA or beside the project. */
static void the_real_set_opens(void **state)
{
    fixture *f = *state;
    const char *folders[] = {"../shared/data", NULL, NULL};
    if (getenv("FATHOM_DATA")) folders[0] = getenv("FATHOM_DATA");
    fm_data_places places = {.folders = folders};
    fm_dataset *train, *test;
    fm_status status = fm_dataset_mnist(f->context, &places, &train, &test);
    if (status == FM_ERROR_NOT_FOUND) skip();
    assert_ok(f->context, status);
    assert_int_equal(fm_dataset_about(train)->count, 60000);
    assert_int_equal(fm_dataset_about(test)->count, 10000);
    assert_int_equal(fm_dataset_classes(test, NULL), 10);
    unsigned char labels[5];
    fm_data_request request = {.count = 5, .fields = {NULL, labels}};
    assert_ok(f->context, fm_dataset_read(f->context, train, &request));
    assert_memory_equal(labels, ((unsigned char[]){5, 0, 4, 1, 9}), 5);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
}

static void absence_says_what_to_do(void **state)
{
    fixture *f = *state;
    fm_dataset *train, *test;
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "any folder: none was named",
                 fm_dataset_mnist(f->context, NULL, &train, &test));
    const char *folders[] = {"/nowhere", f->folder, NULL};
    fm_data_places places = {.folders = folders};
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "use the built-in set 'strokes'",
                 fm_dataset_mnist(f->context, &places, &train, &test));
    assert_non_null(strstr(fm_error_message(f->context), "/nowhere"));
    assert_null(train);
    assert_null(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(the_real_set_opens),
        fixture_test(absence_says_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "cli/exit_codes.h"

#define IS(status) (1u << (status))

const exit_code exit_codes[] = {
    {EXIT_DONE, "done", IS(FM_OK)},
    {EXIT_INTERNAL, "a check of the program's own work failed: please report it",
     IS(FM_ERROR_INTERNAL)},
    {EXIT_USAGE, "the command line is wrong; nothing was done", 0},
    {3, "the recipe asks for something that has no meaning, or shapes do not fit together",
     IS(FM_ERROR_ARGUMENT) | IS(FM_ERROR_SHAPE)},
    {4, "a file's content is not what its format promises, or larger than what is read",
     IS(FM_ERROR_FORMAT) | IS(FM_ERROR_LIMIT)},
    {5, "a file, a data set or a name does not exist", IS(FM_ERROR_NOT_FOUND)},
    {6, "the system could not read or write", IS(FM_ERROR_IO)},
    {7, "not enough memory", IS(FM_ERROR_MEMORY)},
    {8, "not possible in this build of the program, or not at all yet", IS(FM_ERROR_UNSUPPORTED)},
    {9, "training met a NaN or an infinity and stopped, or a model predicts one",
     IS(FM_ERROR_NONFINITE)},
    {EXIT_FINDINGS, "'check' found something that training would fail on", 0},
    {EXIT_INTERRUPTED, "interrupted; 'train' has saved its state, --resume goes on from it",
     IS(FM_ERROR_CANCELLED)},
    {0},
};

int exit_code_of(fm_status status)
{
    for (const exit_code *row = exit_codes; row->meaning; row++) {
        if (row->statuses & IS(status)) return row->code;
    }
    return EXIT_INTERNAL;
}

/* The machine that trains, as a note of the model:
 * who reads its report later knows where it was made. */
#ifndef FM_CLI_MACHINE_NOTE_H
#define FM_CLI_MACHINE_NOTE_H

#include "base/text.h"
#include "fathom/train.h"

/* The key in the model's notes. A JSON object of texts and whole numbers: processor, cores, memory
 * (bytes), system, fathom, compiler, libraries. Nothing in it changes from run to run: the same
 * seed gives the same file on the same machine. */
extern const char machine_note_key[];

/* Sets it. What the system does not tell is left out. */
fm_status machine_note_set(fm_model *model);

/* "processor", "AMD ...", one row after the other, in the order of the note;
 * what is no such note is passed over. */
void machine_note_read(const char *note,
                       void (*row)(void *user, const char *name, const char *words), void *user);

#endif

/* The process in which trials of a search are trained, one after the other. It reads a JSON object
 * a line on stdin and answers on stdout:
 *
 *     {"recipe": PATH, "set": [KEY=VALUE...], "data": DIR, "threads": N, "folds": K,
 *      "monitor": NAME, "mode": N, "last": BOOL}              once
 *         -> {"ready": true, "maximize": BOOL}
 *     {"set": [KEY=VALUE...], "to": EPOCHS, "trial": N, "state": PATH, "keep": BOOL}
 *         -> {"epoch": N, "value": X}                          after each epoch
 *         -> {"done": true, "value": X, "epoch": N, "trained": N, "seconds": X}
 *     or, to each of them, {"failed": WHY, "status": N}
 *
 * Data are kept from trial to trial where nothing that concerns them is varied. When stdin is
 * closed, because the search was stopped or killed, a trial that runs saves its state and the
 * process ends. */
#ifndef FM_CLI_TRIAL_WORKER_H
#define FM_CLI_TRIAL_WORKER_H

/* The word after the program's name that starts it; no command of the table. */
extern const char trial_worker_word[];

int trial_worker_run(void);

#endif

#include "cli/help.h"
#include "cli/exit_codes.h"
#include "cli/terminal.h"
#include "base/fields.h"

#include <string.h>

enum { DOC_COLUMN = 26 };

static void heading(const terminal *t, const char *words)
{
    fprintf(t->stream, "%s%s%s\n", terminal_bold(t), words, terminal_plain(t));
}

static void print_examples(const terminal *t, const char *const *examples)
{
    heading(t, "Examples");
    for (; *examples; examples += 2) {
        fprintf(t->stream, "  %s\n      %s%s%s\n", examples[0], terminal_dim(t), examples[1],
                terminal_plain(t));
    }
}

static void print_option(const terminal *t, const option *o, int width)
{
    char left[64];
    int size = snprintf(left, sizeof left, "  %c%c%c --%s%s%s", o->letter ? '-' : ' ',
                        o->letter ? o->letter : ' ', o->letter ? ',' : ' ', o->name,
                        o->value ? " " : "", o->value ? o->value : "");
    fputs(left, t->stream);
    terminal_wrap(t->stream, o->doc, DOC_COLUMN, size, width);
}

void help_command(FILE *stream, const command *of)
{
    terminal t = terminal_of(stream);
    int width = terminal_text_width(&t);
    fprintf(stream, "fathom %s: %s\n\n", of->name, of->summary);
    print_examples(&t, of->examples);
    fputc('\n', stream);
    heading(&t, "Usage");
    fprintf(stream, "  fathom %s%s%s [OPTION]...\n\n", of->name, *of->usage ? " " : "", of->usage);
    heading(&t, "Options");
    for (const option *o = option_table; o->name; o++) {
        if (o->commands & of->bit) print_option(&t, o, width);
    }
    for (const char *note = of->notes; note && *note;) {
        int size = (int)strcspn(note, "\n");
        char paragraph[1024];
        snprintf(paragraph, sizeof paragraph, "%.*s", size, note);
        fputc('\n', stream);
        terminal_wrap(stream, paragraph, 0, 0, width);
        note += size + (note[size] == '\n');
    }
}

static const char *const program_examples[] = {
    "fathom train recipes/strokes-mlp.yaml",
    "train a network on drawn digits; no file is needed",
    "fathom eval strokes-mlp.safetensors",
    "measure it on data that it has not seen",
    "fathom predict strokes-mlp.safetensors --sample 0-4 --picture",
    "look at five digits and what the network says they are",
    "fathom show recipes/mnist-mlp.yaml",
    "its layers, parameters, FLOPs, and the memory that training will take",
    NULL,
};

void help_program(FILE *stream)
{
    terminal t = terminal_of(stream);
    fprintf(stream, "fathom trains, explains and runs neural networks.\n\n");
    print_examples(&t, program_examples);
    fputc('\n', stream);
    heading(&t, "Commands");
    for (const command *c = command_table; c->name; c++) {
        int size = fprintf(stream, "  %s %s", c->name, c->usage);
        terminal_wrap(stream, c->summary, DOC_COLUMN, size, terminal_text_width(&t));
    }
    fprintf(
        stream,
        "\n'fathom COMMAND --help' tells a command's options, 'fathom help exit-codes' what the\n"
        "exit status means, 'fathom --version' the version.\n");
}

static void help_exit_codes(FILE *stream)
{
    terminal t = terminal_of(stream);
    heading(&t, "Exit codes");
    for (const exit_code *row = exit_codes; row->meaning; row++) {
        int size = fprintf(stream, "  %3d", row->code);
        terminal_wrap(stream, row->meaning, 7, size, terminal_text_width(&t));
    }
}

/* ---- the manual page ------------------------------------------------------------------------- */

/* Text for troff: a hyphen that can be typed back, no line that begins with a dot. */
static void put_troff(FILE *stream, const char *words)
{
    if (*words == '.' || *words == '\'') fputs("\\&", stream);
    for (; *words; words++) {
        if (*words == '-') {
            fputs("\\-", stream);
        } else if (*words == '\\') {
            fputs("\\e", stream);
        } else if (*words == '\n') {
            fputs("\n.PP\n", stream);
        } else {
            fputc(*words, stream);
        }
    }
    fputc('\n', stream);
}

static void man_examples(FILE *stream, const char *const *examples)
{
    for (; *examples; examples += 2) {
        fputs(".TP\n.B ", stream);
        put_troff(stream, examples[0]);
        put_troff(stream, examples[1]);
    }
}

static void man_command(FILE *stream, const command *c)
{
    fprintf(stream, ".SS fathom %s %s\n", c->name, c->usage);
    char sentence[256];
    snprintf(sentence, sizeof sentence, "%c%s.", c->summary[0] - 'a' + 'A', c->summary + 1);
    put_troff(stream, sentence);
    for (const option *o = option_table; o->name; o++) {
        if (!(o->commands & c->bit)) continue;
        char left[80];
        snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter ? "-" : "",
                 o->letter ? o->letter : ' ', o->letter ? ", " : "", o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        fputs(".TP\n.B ", stream);
        put_troff(stream, left + (o->letter ? 0 : 1));
        put_troff(stream, o->doc);
    }
    if (c->notes) {
        fputs(".PP\n", stream);
        put_troff(stream, c->notes);
    }
    fputs(".PP\nExamples:\n", stream);
    man_examples(stream, c->examples);
}

static void help_man(FILE *stream)
{
    fprintf(stream,
            ".\\\" Written by 'fathom help --man'.\n"
            ".TH FATHOM 1 \"\" \"fathom %s\" \"User Commands\"\n.SH NAME\n"
            "fathom \\- train, explain and run neural networks\n.SH SYNOPSIS\n",
            FM_VERSION);
    for (const command *c = command_table; c->name; c++) {
        fprintf(stream, ".B fathom %s\n%s [OPTION]...\n.br\n", c->name, c->usage);
    }
    fputs(".SH EXAMPLES\n", stream);
    man_examples(stream, program_examples);
    fputs(".SH COMMANDS\n", stream);
    for (const command *c = command_table; c->name; c++) man_command(stream, c);
    fputs(".SH EXIT STATUS\n", stream);
    for (const exit_code *row = exit_codes; row->meaning; row++) {
        fprintf(stream, ".TP\n.B %d\n", row->code);
        put_troff(stream, row->meaning);
    }
    fputs(".SH ENVIRONMENT\n", stream);
    static const char *const variables[] = {
        "FATHOM_DATA",
        "A folder where data files are looked for, after --data.",
        "XDG_CACHE_HOME",
        "Downloads are kept in its subfolder fathom; default ~/.cache.",
        "NO_COLOR",
        "Any value: no colour. TERM=dumb: no live line either.",
        "COLUMNS",
        "Width of the terminal, in place of what the terminal says.",
        NULL,
    };
    man_examples(stream, variables);
}

/* ---- the command ----------------------------------------------------------------------------- */

int help_run(const arguments *given)
{
    if (given->man) {
        help_man(stdout);
        return EXIT_DONE;
    }
    if (given->positional.count == 0) {
        help_program(stdout);
        return EXIT_DONE;
    }
    const char *topic = given->positional.items[0];
    const command *of = command_find(topic);
    if (of) {
        help_command(stdout, of);
        return EXIT_DONE;
    }
    if (strcmp(topic, "exit-codes") == 0) {
        help_exit_codes(stdout);
        return EXIT_DONE;
    }
    fprintf(stderr, "fathom help: no help about '%s'; topics are: exit-codes", topic);
    for (const command *c = command_table; c->name; c++) fprintf(stderr, ", %s", c->name);
    fputc('\n', stderr);
    return EXIT_USAGE;
}

/* Tokens with what each says for and against the output: colours in a terminal, and a page. */
#include "cli/explain_views.h"
#include "cli/html_text.h"
#include "base/file.h"
#include "fathom/text_data.h"

#include <math.h>
#include <string.h>

typedef struct token {
    const char *bytes;
    size_t size;
    bool unknown;
    bool spaced;  /* a space stands in front of it */
    double share; /* of the scale, from -1 to 1 */
} token;

typedef struct tokens {
    const explained *of;
    const fm_vocabulary *vocabulary;
    const int32_t *numbers;
    int64_t count;
} tokens;

static tokens tokens_of(const explained *e)
{
    return (tokens){e, fm_transform_vocabulary(e->saved->transform), e->x,
                    fm_model_input(e->saved->model, NULL).dims[0]};
}

fm_status explain_written(const invocation *s, const saved_model *saved, const fm_dataset *raw,
                          int64_t i, fm_arena *arena, const fm_written **written)
{
    size_t size;
    const char *text = fm_dataset_text(raw, i, &size);
    *written = NULL;
    if (!text) return FM_OK;
    size_t length = (size_t)fm_model_input(saved->model, NULL).dims[0];
    fm_written *made = fm_arena_allocate(arena, length * sizeof *made);
    *written = made;
    return made ? fm_text_written(s->context, saved->transform, text, size, made) : FM_ERROR_MEMORY;
}

const char *explain_token(const saved_model *saved, const fm_written *written,
                          const int32_t *numbers, int64_t i, size_t *size, bool *unknown)
{
    *unknown = written && written[i].size > 0;
    if (!*unknown) {
        return fm_vocabulary_token(fm_transform_vocabulary(saved->transform), numbers[i], size);
    }
    *size = written[i].size;
    return written[i].bytes;
}

/* False for padding. */
static bool token_at(const tokens *all, const fm_explanation *of, double scale, int64_t i,
                     token *made)
{
    int32_t number = all->numbers[i];
    if (number == FM_TOKEN_PADDING) return false;
    made->bytes = explain_token(all->of->saved, all->of->written, all->numbers, i, &made->size,
                                &made->unknown);
    made->spaced = i > 0 && all->numbers[i - 1] != FM_TOKEN_PADDING &&
                   fm_vocabulary_spaced(all->vocabulary, all->numbers[i - 1], number);
    made->share = scale > 0 ? fmax(-1, fmin(1, of->map[i] / scale)) : 0;
    return true;
}

/* ---- the terminal ---------------------------------------------------------------------------- */

/* Of the 6 x 6 x 6 cube: the further from black, the more it says. */
static int background_of(double share)
{
    static const int for_output[] = {0, 52, 88, 124, 160, 202};
    static const int against[] = {0, 17, 18, 19, 20, 27};
    int step = (int)(fabs(share) * 5 + 0.5);
    return share > 0 ? for_output[step] : against[step];
}

static void print_plain(const token *t)
{
    if (t->unknown) fputs(UNKNOWN_BEGIN, stdout);
    for (size_t at = 0; at < t->size;) {
        bool ends = t->bytes[at] == '\n';
        if (ends) putchar('\n');
        at += ends ? 1 : terminal_character(stdout, t->bytes + at, t->size - at);
    }
    if (t->unknown) fputs(UNKNOWN_END, stdout);
}

static void print_coloured(const explained *e, const fm_explanation *of, double scale)
{
    const tokens all = tokens_of(e);
    token t;
    printf("    ");
    for (int64_t i = 0; i < all.count; i++) {
        if (!token_at(&all, of, scale, i, &t)) continue;
        if (t.spaced) putchar(' ');
        int color = background_of(t.share);
        if (color) printf("\033[48;5;%dm\033[38;5;231m", color);
        print_plain(&t);
        if (color) fputs(terminal_plain(&e->s->out), stdout);
    }
    putchar('\n');
}

/* Without colours: the tokens that say most, in their order of size. */
static void print_list(const explained *e, const fm_explanation *of)
{
    enum { MOST = 10, BAR = 24 };
    const tokens all = tokens_of(e);
    token t;
    int64_t count = 0;
    ranked *order = fm_allocate_array(e->s->context, (size_t)all.count, sizeof *order);
    for (int64_t i = 0; order && i < all.count; i++) {
        if (token_at(&all, of, 1, i, &t)) order[count++] = (ranked){i, fabs(of->map[i])};
    }
    explained_rank(order, count);
    for (int64_t n = 0; n < count && n < MOST && order[0].weight > 0; n++) {
        token_at(&all, of, 1, order[n].index, &t);
        printf("    %+10.4f  %-*.*s  ", of->map[order[n].index], BAR,
               (int)(BAR * order[n].weight / order[0].weight + 0.5), "########################");
        print_plain(&t);
        putchar('\n');
    }
    fm_release(e->s->context, order);
}

void explain_text_print(const explained *e)
{
    for (int i = 0; i < e->count; i++) {
        if (e->s->out.colour) {
            print_coloured(e, &e->of[i], explained_scale(e->s->context, &e->of[i]));
        } else {
            print_list(e, &e->of[i]);
        }
    }
}

/* ---- the page -------------------------------------------------------------------------------- */

void explain_token_html(fm_text *body, const char *bytes, size_t size, bool unknown)
{
    if (unknown) fm_text_add(body, UNKNOWN_BEGIN);
    html_add(body, bytes, size);
    if (unknown) fm_text_add(body, UNKNOWN_END);
}

static void add_token(fm_text *body, const token *t, double attribution)
{
    if (t->spaced) fm_text_add(body, " ");
    fm_text_add(body, "<span class=%s style=\"--a:%.3f\" title=\"%+.4g\">",
                t->share < 0 ? "n" : "p", fabs(t->share), attribution);
    explain_token_html(body, t->bytes, t->size, t->unknown);
    fm_text_add(body, "</span>");
}

void explain_text_html(const explained *e, fm_text *body)
{
    const tokens all = tokens_of(e);
    token t;
    fm_text_add(body, "<section><h2>");
    html_add_string(body, e->title);
    fm_text_add(body, "</h2><p class=about>");
    html_add_string(body, e->output_name);
    fm_text_add(body, e->meaning->classes ? " %.1f%%" : " %.4g",
                e->meaning->classes ? 100 * e->value : e->value);
    fm_text_add(body, "</p>");
    for (int k = 0; k < e->count; k++) {
        double scale = explained_scale(e->s->context, &e->of[k]);
        fm_text_add(body, "<h3>%s</h3><p class=text>", fm_explain_at(e->of[k].method)->name);
        for (int64_t i = 0; i < all.count; i++) {
            if (token_at(&all, &e->of[k], scale, i, &t)) add_token(body, &t, e->of[k].map[i]);
        }
        fm_text_add(body, "</p>");
    }
    fm_text_add(body, "</section>\n");
}

static const char page_head[] =
    "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
    "<meta name=viewport content=\"width=device-width,initial-scale=1\">"
    "<style>\n"
    ":root{color-scheme:light dark;--p:235,110,30;--n:50,120,245;"
    "--ink:#1c2024;--paper:#fff;--soft:#667}\n"
    "@media (prefers-color-scheme:dark){:root{--ink:#e8e8ea;--paper:#17181b;--soft:#99a}}\n"
    "body{font:16px/1.6 system-ui,sans-serif;color:var(--ink);background:var(--paper);"
    "max-width:46rem;margin:0 auto;padding:1.2rem}\n"
    "h1{font-size:1.3rem}h2{font-size:1.05rem;margin:1.6rem 0 0}"
    "h3{font-size:.85rem;font-weight:500;color:var(--soft);margin:.8rem 0 .1rem}\n"
    ".about{color:var(--soft);margin:0}.text{white-space:pre-wrap;overflow-wrap:anywhere;margin:0}"
    "\n"
    ".p{background:rgba(var(--p),calc(var(--a)*.8))}.n{background:rgba(var(--n),calc(var(--a)*.8))}"
    "\nspan,.m td{border-radius:2px;print-color-adjust:exact;-webkit-print-color-adjust:exact}\n"
    "figure{margin:.8rem 0 1.4rem}figcaption{color:var(--soft);font-size:.85rem}img{max-width:100%;"
    "height:auto;image-rendering:pixelated}.wide{overflow-x:auto;max-width:100%}.wide:focus-"
    "visible{"
    "outline:2px solid rgb(var(--n))}\n"
    ".m{border-collapse:separate;border-spacing:1px;font-size:.75rem;margin-top:.4rem}.m th{font-"
    "weight:400;color:var(--soft);text-align:right;padding:0 .3rem;white-space:nowrap}.m th[scope="
    "col]{vertical-align:bottom;padding:.2rem 0}.m th span{writing-mode:vertical-rl}.m td{width:"
    "1.15em;min-width:1.15em;height:1.15em;padding:0;background:rgba(var(--p),var(--a))}\n"
    "</style>";

const char explain_text_about[] = "<span class=p style=\"--a:1\">for</span> the output, "
                                  "<span class=n style=\"--a:1\">against</span> it";

fm_status explain_page_write(fm_context *context, const char *title, const char *about,
                             const fm_text *body, const char *path)
{
    fm_text page = FM_TEXT(context);
    fm_text_add_bytes(&page, page_head, sizeof page_head - 1);
    fm_text_add(&page, "<title>");
    html_add_string(&page, title);
    fm_text_add(&page, "</title></head><body><h1>");
    html_add_string(&page, title);
    fm_text_add(&page, "</h1><p class=about>%s</p>\n", about);
    fm_text_add_bytes(&page, fm_text_string(body), body->size);
    fm_text_add(&page, "</body></html>\n");
    fm_status status = fm_text_status(body);
    if (status == FM_OK) status = fm_file_write_text(&page, path);
    fm_text_release(&page);
    return status;
}

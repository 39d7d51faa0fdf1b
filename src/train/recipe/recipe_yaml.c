/* Between YAML and trees, by libyaml's events. */
#include "train/recipe/recipe_tree.h"
#include "base/text.h"
#include "base/utf8.h"

#include <limits.h>
#include <string.h>
#include <yaml.h>

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct reader {
    fm_arena *arena;
    yaml_parser_t parser;
    const char *source;
    fm_tree *open[FM_TREE_MAX_DEPTH]; /* lists and maps that have begun and not ended */
    fm_tree *last[FM_TREE_MAX_DEPTH]; /* the last child of each */
    int depth;
    fm_tree *key; /* a key that waits for its value */
    fm_tree *root;
    int documents;
} reader;

static int clamp_mark(size_t value)
{
    return value < INT_MAX ? (int)value + 1 : INT_MAX;
}

static fm_tree *new_node(reader *r, const yaml_event_t *event, fm_tree_kind kind)
{
    fm_tree *node = fm_arena_allocate(r->arena, sizeof *node);
    if (!node) return NULL;
    node->kind = kind;
    node->source = r->source;
    node->line = node->key_line = clamp_mark(event->start_mark.line);
    node->column = node->key_column = clamp_mark(event->start_mark.column);
    return node;
}

static fm_status fail_yaml(reader *r)
{
    const yaml_parser_t *p = &r->parser;
    fm_context *context = r->arena->context;
    if (p->error == YAML_MEMORY_ERROR) {
        return fm_fail(context, FM_ERROR_MEMORY, "%s: no memory to read it", r->source);
    }
    const char *problem = p->problem ? p->problem : "this is not YAML";
    if (strcmp(problem, "found character that cannot start any token") == 0) {
        problem = "nothing begins with a tab, '@', '`' or '%' (lines are indented with spaces)";
    }
    if (p->error == YAML_READER_ERROR) {
        return fm_fail(context, FM_ERROR_FORMAT, "%s: %s at byte %zu", r->source, problem,
                       p->problem_offset);
    }
    int line = clamp_mark(p->problem_mark.line), column = clamp_mark(p->problem_mark.column);
    if (!p->context || p->context_mark.line == p->problem_mark.line) {
        return fm_fail(context, FM_ERROR_FORMAT, "%s:%d:%d: not YAML: %s", r->source, line, column,
                       problem);
    }
    return fm_fail(context, FM_ERROR_FORMAT, "%s:%d:%d: not YAML: %s, %s that begins in line %d",
                   r->source, line, column, problem, p->context, clamp_mark(p->context_mark.line));
}

static fm_status fail_event(reader *r, const yaml_event_t *event, const char *words)
{
    return fm_fail(r->arena->context, FM_ERROR_FORMAT, "%s:%d:%d: %s", r->source,
                   clamp_mark(event->start_mark.line), clamp_mark(event->start_mark.column), words);
}

static fm_status check_new_key(reader *r, const fm_tree *map, const fm_tree *key)
{
    if (map->count == FM_TREE_MAX_KEYS) {
        return fm_tree_fail(r->arena->context, key, FM_ERROR_LIMIT, "a map has more than %d keys",
                            FM_TREE_MAX_KEYS);
    }
    const fm_tree *other = fm_tree_get(map, key->text);
    if (!other) return FM_OK;
    return fm_tree_fail(r->arena->context, key, FM_ERROR_FORMAT,
                        "the key '%s' is here a second time; the first is in line %d", key->text,
                        other->key_line);
}

/* A finished scalar, or a list or map that begins, takes its place in the parent. */
static fm_status attach(reader *r, fm_tree *node)
{
    if (r->depth == 0) {
        r->root = node;
        return FM_OK;
    }
    fm_tree *parent = r->open[r->depth - 1];
    if (parent->kind == FM_TREE_MAP) {
        if (!r->key) {
            if (node->kind != FM_TREE_SCALAR) {
                return fm_tree_fail(r->arena->context, node, FM_ERROR_FORMAT,
                                    "a key must be a single word");
            }
            r->key = node;
            return check_new_key(r, parent, node);
        }
        node->key = r->key->text;
        node->key_line = r->key->line;
        node->key_column = r->key->column;
        r->key = NULL;
    }
    fm_tree **last = &r->last[r->depth - 1];
    *(*last ? &(*last)->next : &parent->first) = node;
    *last = node;
    parent->count++;
    return FM_OK;
}

static fm_status begin(reader *r, const yaml_event_t *event, fm_tree_kind kind, bool flow)
{
    if (r->depth == FM_TREE_MAX_DEPTH) {
        return fail_event(r, event, "lists and maps are nested too deep (at most 32)");
    }
    fm_tree *node = new_node(r, event, kind);
    if (!node) return FM_ERROR_MEMORY;
    node->flow = flow;
    fm_status status = attach(r, node);
    if (status != FM_OK) return status;
    r->last[r->depth] = NULL;
    r->open[r->depth++] = node;
    return FM_OK;
}

static fm_status read_scalar(reader *r, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    if (strlen(value) != event->data.scalar.length) {
        return fail_event(r, event, "a text must not hold a zero byte");
    }
    fm_tree *node = new_node(r, event, FM_TREE_SCALAR);
    if (!node) return FM_ERROR_MEMORY;
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->text = fm_arena_string(r->arena, value);
    return node->text ? attach(r, node) : FM_ERROR_MEMORY;
}

static const char *refusal(const yaml_event_t *event)
{
    static const char *const reasons[] = {
        "aliases (*name) have no place in a recipe: write the value out",
        "anchors (&name) have no place in a recipe: write the value out",
        "tags (!type) have no place in a recipe: leave it out",
    };
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_ALIAS_EVENT) return reasons[0];
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    return anchor ? reasons[1] : tag ? reasons[2] : NULL;
}

static fm_status take_event(reader *r, const yaml_event_t *event)
{
    const char *reason = refusal(event);
    if (reason) return fail_event(r, event, reason);
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (r->documents++ == 0) return FM_OK;
        return fail_event(r, event, "a second document begins; a recipe is one");
    case YAML_SCALAR_EVENT:
        return read_scalar(r, event);
    case YAML_SEQUENCE_START_EVENT:
        return begin(r, event, FM_TREE_LIST,
                     event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE);
    case YAML_MAPPING_START_EVENT:
        return begin(r, event, FM_TREE_MAP,
                     event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        r->depth--;
        return FM_OK;
    default:
        return FM_OK;
    }
}

static fm_status read_events(reader *r)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r->parser, &event)) return fail_yaml(r);
        yaml_event_type_t type = event.type;
        fm_status status = take_event(r, &event);
        yaml_event_delete(&event);
        if (status != FM_OK || type == YAML_STREAM_END_EVENT) return status;
    }
}

fm_status fm_tree_parse(fm_arena *arena, const char *source, const char *bytes, size_t size,
                        fm_tree **tree)
{
    *tree = NULL;
    if (size > FM_TREE_MAX_BYTES) {
        return fm_fail(arena->context, FM_ERROR_LIMIT,
                       "%s: %zu bytes are too many for a recipe; at most %d are read", source, size,
                       FM_TREE_MAX_BYTES);
    }
    reader r = {.arena = arena, .source = fm_arena_string(arena, source)};
    if (!r.source) return FM_ERROR_MEMORY;
    if (!yaml_parser_initialize(&r.parser)) {
        return fm_fail(arena->context, FM_ERROR_MEMORY, "%s: no memory to read it", source);
    }
    fm_utf8_skip_mark(&bytes, &size); /* libyaml counts it as a column */
    /* The parser aborts on NULL, which an empty text may be. */
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(size ? bytes : ""), size);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    fm_status status = read_events(&r);
    yaml_parser_delete(&r.parser);
    if (status != FM_OK) return status;
    if (!r.root) {
        r.root = fm_arena_allocate(arena, sizeof *r.root);
        if (!r.root) return FM_ERROR_MEMORY;
        *r.root = (fm_tree){.kind = FM_TREE_MAP, .source = r.source, .line = 1, .column = 1};
    }
    *tree = r.root;
    return FM_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int emit_scalar(yaml_emitter_t *emitter, const char *text, bool quoted)
{
    yaml_event_t event;
    yaml_scalar_style_t style = quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE;
    return yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
                                        (int)strlen(text), 1, 1, style) &&
           yaml_emitter_emit(emitter, &event);
}

static int emit_tree(yaml_emitter_t *emitter, const fm_tree *tree)
{
    yaml_event_t event;
    /* libyaml would quote an empty plain scalar, and '' is a text, not nothing */
    if (fm_tree_is_null(tree)) return emit_scalar(emitter, "null", false);
    if (tree->kind == FM_TREE_SCALAR) return emit_scalar(emitter, tree->text, tree->quoted);
    bool map = tree->kind == FM_TREE_MAP;
    int made = map ? yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
                                                         tree->flow ? YAML_FLOW_MAPPING_STYLE
                                                                    : YAML_BLOCK_MAPPING_STYLE)
                   : yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
                                                          tree->flow ? YAML_FLOW_SEQUENCE_STYLE
                                                                     : YAML_BLOCK_SEQUENCE_STYLE);
    if (!made || !yaml_emitter_emit(emitter, &event)) return 0;
    for (const fm_tree *child = tree->first; child; child = child->next) {
        if (map && !emit_scalar(emitter, child->key, false)) return 0;
        if (!emit_tree(emitter, child)) return 0;
    }
    made = map ? yaml_mapping_end_event_initialize(&event)
               : yaml_sequence_end_event_initialize(&event);
    return made && yaml_emitter_emit(emitter, &event);
}

static int emit_document(yaml_emitter_t *emitter, const fm_tree *tree)
{
    yaml_event_t event;
    return yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
           yaml_emitter_emit(emitter, &event) &&
           yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
           yaml_emitter_emit(emitter, &event) && emit_tree(emitter, tree) &&
           yaml_document_end_event_initialize(&event, 1) && yaml_emitter_emit(emitter, &event) &&
           yaml_stream_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

static int write_text(void *text, unsigned char *bytes, size_t size)
{
    fm_text_add_bytes(text, bytes, size);
    return fm_text_status(text) == FM_OK;
}

fm_status fm_tree_print(fm_arena *arena, const fm_tree *tree, const char **text)
{
    fm_text output = FM_TEXT(arena->context);
    yaml_emitter_t emitter;
    *text = NULL;
    if (!yaml_emitter_initialize(&emitter)) {
        return fm_fail(arena->context, FM_ERROR_MEMORY, "no memory to write a recipe");
    }
    yaml_emitter_set_output(&emitter, write_text, &output);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, 100);
    int done = emit_document(&emitter, tree);
    yaml_emitter_delete(&emitter);
    fm_status status = fm_text_status(&output);
    if (status == FM_OK && !done) {
        status = fm_fail(arena->context, FM_ERROR_MEMORY, "no memory to write a recipe");
    }
    if (status == FM_OK) {
        *text = fm_arena_string(arena, fm_text_string(&output));
        if (!*text) status = FM_ERROR_MEMORY;
    }
    fm_text_release(&output);
    return status;
}

/* Scores of sequences with padding.
 * Source: PyTorch 2.13.0+cpu.
 * Made by tests/golden/generate_text_scores.py; do not edit.
 *
 * Logits (sequences, steps, classes) and labels (sequences, steps), of which 0 is padding:
 * `loss` is cross_entropy(ignore_index=0), the mean over the positions that are no padding,
 * `gradient` its derivative with respect to the logits; `perplexity` is exp(loss), `accuracy`
 * the share of right classes of the same positions. `class_id_*` are precision, recall and F1 of
 * class 2 alone, over all positions, from their definitions.
 */
/* clang-format off */
#ifndef TEXT_SCORES_GOLDEN_H
#define TEXT_SCORES_GOLDEN_H

#define GOLDEN_TEXT_SEQUENCES 3

#define GOLDEN_TEXT_STEPS 5

#define GOLDEN_TEXT_CLASSES 4

/* 3 x 5 x 4 */
static const double golden_text_logits[60] = {
    0.068, 2.719, 2.449, -1.021, -0.596, -1.055, 1.139, -0.112, 1.494, -3.695, 3.133, -0.193, 1.361,
    -0.273, -0.758, 0.926, 1.649, -0.405, -0.306, 1.371, -1.741, -3.029, 0.79, -1.341, -3.841,
    -1.628, -0.935, -2.386, -2.985, 0.073, 1.794, -0.466, -1.487, 0.77, 1.434, -0.6, 1.089, 2.086,
    -0.414, -1.627, 0.695, 0.495, 2.198, -2.569, -1.323, -1.676, -3.468, 0.253, 1.056, -1.478,
    2.771, 1.644, 1.255, 0.803, 1.911, -2.664, 1.228, 1.206, -3.535, 0.694,
};

/* 3 x 5 */
static const int golden_text_labels[15] = {
    2, 1, 1, 3, 1, 2, 2, 0, 0, 0, 3, 1, 3, 0, 0,
};

/* 3 x 5 x 4 */
static const double golden_text_gradient[60] = {
    0.0037993248566034242, 0.05382959353440873, -0.058907592107344725, 0.001278673716332574,
    0.011206497462590247, -0.09291844341146172, 0.06352882504894779, 0.018183120899923685,
    0.015771207932389775, -0.09991203480068984, 0.08122198769194336, 0.002918839176356725,
    0.05095375730985521, 0.009943494338407405, 0.006122181590198977, -0.06701943323846159,
    0.04933198837526865, -0.09367460348946775, 0.006983657118626009, 0.037358957995573094,
    0.0065215778653435865, 0.0017987938384603616, -0.018049422630914146, 0.009729050927110197,
    0.003057065685607029, 0.027951071344787866, -0.04410608441363781, 0.013097947383242915, 0.0,
    0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.015742775071392625,
    0.012889094089738568, 0.07076620345490929, -0.09939807261604049, 0.015025799283111369,
    -0.08944321611142185, 0.0017590408270928893, 0.07265837600121759, 0.011853396372748811,
    0.0009404605661229485, 0.06586547736276697, -0.07865933430163875, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
    0.0, 0.0,
};

/* 1 */
static const double golden_text_loss[1] = {
    2.4129370987912604,
};

/* 1 */
static const double golden_text_perplexity[1] = {
    11.166710759770288,
};

/* 1 */
static const double golden_text_accuracy[1] = {
    0.2,
};

/* 3: precision, recall, F1 */
static const double golden_class_id_scores[3] = {
    0.2222222222222222, 0.6666666666666666, 0.3333333333333333,
};

#endif

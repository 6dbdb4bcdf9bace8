/*
 * The learning curve as a picture: above the loss, below how much of their neighbours tiles keep when
 * they are turned. SVG by hand: two panels over one axis of epochs. Colours are told apart by
 * brightness too, and follow the viewer's light or dark scheme.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "learn_private.h"

#define WIDTH 720
#define HEIGHT 560
#define LEFT 70.0
#define RIGHT 696.0
#define POINTS_MAX 1000 /* of a line: more are not seen */

static const char head[] =
    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"560\" viewBox=\"0 0 720 "
    "560\" role=\"img\">\n"
    "<style>\n"
    ".ground{fill:#fff}\n"
    "text{fill:#1f2933;font:13px sans-serif}\n"
    ".title{font-size:16px;font-weight:bold}\n"
    ".end{text-anchor:end}.mid{text-anchor:middle}\n"
    ".grid{stroke:#d5dbe1;stroke-width:1}\n"
    ".axis{stroke:#66717d;stroke-width:1}\n"
    ".line{fill:none;stroke-width:2;stroke-linejoin:round}\n"
    ".a{stroke:#0b62c4}.b{stroke:#c2410c}.c{stroke:#66717d;stroke-dasharray:6 4}\n"
    ".dot{stroke:none}.dot.a{fill:#0b62c4}.dot.b{fill:#c2410c}.dot.c{fill:#66717d}\n"
    "@media (prefers-color-scheme:dark){\n"
    ".ground{fill:#14181d}text{fill:#e4e8ec}.grid{stroke:#323a43}.axis{stroke:#93a0ad}\n"
    ".a{stroke:#6cb2ff}.b{stroke:#ff9a5c}.c{stroke:#93a0ad}\n"
    ".dot.a{fill:#6cb2ff}.dot.b{fill:#ff9a5c}.dot.c{fill:#93a0ad}}\n"
    "</style>\n"
    "<rect class=\"ground\" width=\"720\" height=\"560\"/>\n";

/* A panel: values low..high at heights bottom..top, epochs 0..last across. */
struct panel {
    double top, bottom, low, high, step; /* step: between ticks */
    double last;
    bool percent;
};

/* A drawing; `status` stays at the first failure, so that the markup reads without a check a
 * line. */
struct drawing {
    const struct curve *curve;
    struct akin_buffer *out;
    akin_status status;
    akin_error *err;
};

#define PUT(drawing, ...)                                                                          \
    do {                                                                                           \
        if ((drawing)->status == AKIN_OK)                                                          \
            (drawing)->status = akin_buffer_printf((drawing)->out, (drawing)->err, __VA_ARGS__);   \
    } while (0)

/* 1, 2 or 5 times a power of ten, so that there are at most `ticks` of them in `range`. */
static double nice_step(double range, int ticks)
{
    double rough = range / ticks, power = pow(10, floor(log10(rough)));
    const double steps[] = {1, 2, 5, 10};
    for (int i = 0; i < 4; i++)
        if (steps[i] * power >= rough * (1 - 1e-9))
            return steps[i] * power;
    return 10 * power;
}

static double x_of(const struct panel *panel, double epoch)
{
    return LEFT + (RIGHT - LEFT) * epoch / panel->last;
}

static double y_of(const struct panel *panel, double value)
{
    double share = (value - panel->low) / (panel->high - panel->low);
    return panel->bottom - (panel->bottom - panel->top) * fmin(1, fmax(0, share));
}

static void draw_axes(struct drawing *d, const struct panel *panel, const char *title)
{
    PUT(d, "<text class=\"mid\" transform=\"translate(18 %.1f) rotate(-90)\">%s</text>\n",
        (panel->top + panel->bottom) / 2, title);
    int ticks = (int)lround((panel->high - panel->low) / panel->step);
    int digits = panel->step < 1 ? (int)ceil(-log10(panel->step) - 1e-9) : 0;
    for (int i = 0; i <= ticks; i++) {
        double value = panel->low + i * panel->step, y = y_of(panel, value);
        PUT(d, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
            i ? "grid" : "axis", LEFT, y, RIGHT, y);
        if (panel->percent)
            PUT(d, "<text class=\"end\" x=\"%.1f\" y=\"%.1f\">%.0f %%</text>\n", LEFT - 8, y + 4.5,
                100 * value);
        else
            PUT(d, "<text class=\"end\" x=\"%.1f\" y=\"%.1f\">%.*f</text>\n", LEFT - 8, y + 4.5,
                digits, value);
    }
    PUT(d, "<line class=\"axis\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", LEFT,
        panel->top, LEFT, panel->bottom);
}

static void draw_epochs(struct drawing *d, const struct panel *panel)
{
    double step = fmax(1, nice_step(panel->last, 10));
    for (int i = 0; i * step <= panel->last; i++) {
        double epoch = i * step, x = x_of(panel, epoch);
        PUT(d, "<line class=\"axis\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", x,
            panel->bottom, x, panel->bottom + 5);
        PUT(d, "<text class=\"mid\" x=\"%.1f\" y=\"%.1f\">%.0f</text>\n", x, panel->bottom + 20,
            epoch);
    }
    PUT(d, "<text class=\"mid\" x=\"%.1f\" y=\"%.1f\">epochs</text>\n", (LEFT + RIGHT) / 2,
        panel->bottom + 40);
}

static double value_at(const struct curve *curve, size_t row, size_t offset)
{
    return *(const double *)((const char *)&curve->rows[row] + offset);
}

/* Joins the rows that have the value; where they are few, with a dot each. */
static void draw_line(struct drawing *d, const struct panel *panel, size_t offset,
                      const char *style)
{
    const struct curve *curve = d->curve;
    size_t stride = curve->count / POINTS_MAX + 1, known = 0;
    for (size_t i = 0; i < curve->count; i++)
        known += isfinite(value_at(curve, i, offset));
    if (!known)
        return;
    stride = known > POINTS_MAX ? stride : 1;
    PUT(d, "<polyline class=\"line %s\" points=\"", style);
    for (size_t i = 0; i < curve->count; i += stride)
        if (isfinite(value_at(curve, i, offset)))
            PUT(d, "%.1f,%.1f ", x_of(panel, curve->rows[i].epoch.epoch),
                y_of(panel, value_at(curve, i, offset)));
    PUT(d, "\"/>\n");
    for (size_t i = 0; known <= 50 && i < curve->count; i++)
        if (isfinite(value_at(curve, i, offset)))
            PUT(d, "<circle class=\"dot %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n", style,
                x_of(panel, curve->rows[i].epoch.epoch), y_of(panel, value_at(curve, i, offset)));
}

static void draw_key(struct drawing *d, double x, double y, const char *style, const char *text)
{
    PUT(d, "<line class=\"line %s\" x1=\"%.0f\" y1=\"%.0f\" x2=\"%.0f\" y2=\"%.0f\"/>\n", style, x,
        y - 4, x + 26, y - 4);
    PUT(d, "<text x=\"%.0f\" y=\"%.0f\">%s</text>\n", x + 32, y, text);
}

/* Around the losses there are, between ticks. */
static void fit_losses(struct panel *panel, const struct curve *curve)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < curve->count; i++)
        if (isfinite(curve->rows[i].epoch.loss)) {
            low = fmin(low, curve->rows[i].epoch.loss);
            high = fmax(high, curve->rows[i].epoch.loss);
        }
    if (!(low <= high))
        low = 0, high = 1;
    double margin = fmax(high - low, fmax(fabs(high), 1e-3) * 0.02);
    panel->step = nice_step(margin, 5);
    panel->low = floor(low / panel->step) * panel->step;
    panel->high = ceil(high / panel->step) * panel->step;
    if (panel->high - panel->low < panel->step / 2)
        panel->high = panel->low + panel->step;
}

akin_status curve_svg(const struct curve *curve, const char *title, struct akin_buffer *out,
                      akin_error *err)
{
    struct drawing d = {.curve = curve, .out = out, .err = err};
    double last = curve->count ? curve->rows[curve->count - 1].epoch.epochs : 1;
    struct panel loss = {.top = 60, .bottom = 270, .last = fmax(last, 1)};
    struct panel kept = {
        .top = 330, .bottom = 500, .high = 1, .step = 0.2, .last = loss.last, .percent = true};
    fit_losses(&loss, curve);
    d.status = akin_buffer_append(out, head, strlen(head), err);
    PUT(&d, "<title>%s</title>\n<text class=\"title\" x=\"%.0f\" y=\"28\">%s</text>\n", title, LEFT,
        title);
    draw_axes(&d, &loss, "loss");
    draw_line(&d, &loss, offsetof(struct curve_row, epoch.loss), "a");
    PUT(&d, "<text x=\"%.0f\" y=\"306\">neighbours kept when tiles are turned:</text>\n", LEFT);
    draw_key(&d, LEFT + 250, 306, "a", "encoder");
    draw_key(&d, LEFT + 350, 306, "b", "its net alone");
    draw_key(&d, LEFT + 480, 306, "c", "instant part");
    draw_axes(&d, &kept, "kept");
    draw_epochs(&d, &kept);
    draw_line(&d, &kept, offsetof(struct curve_row, kept_instant), "c");
    draw_line(&d, &kept, offsetof(struct curve_row, kept_net), "b");
    draw_line(&d, &kept, offsetof(struct curve_row, kept), "a");
    PUT(&d, "</svg>\n");
    return d.status;
}

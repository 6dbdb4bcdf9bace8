/*
 * A picture of one set's measured points: questions a second, a decade a step, against recall@10, whose axis is stretched
 * towards 1 as the last hundredths are the dear ones. Each engine's front is a line that carries its name; points that
 * another setting of it beats are drawn pale. SVG, on standard output.
 *
 *     bench_index_plot SET TITLE <POINTS
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "bench_points.h"

#define WIDTH 980.0
#define HEIGHT 560.0
#define LEFT 74.0
#define RIGHT 690.0 /* names stand to the right of it */
#define TOP 66.0
#define BOTTOM 500.0
#define LINES_MAX 16
#define NAME_STEP 17.0

static const double ticks[] = {0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999};
#define TICKS (sizeof ticks / sizeof *ticks)

struct line {
    struct bench_front front;
    double name_y;
};

struct plot {
    struct bench_point points[BENCH_POINTS_MAX];
    size_t count;
    struct line lines[LINES_MAX];
    size_t line_count;
    double low, high; /* of the QPS axis: 1, 2 or 5 times a power of ten */
};

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static double stretched(double recall)
{
    return -log10(1 - clamp(recall, ticks[0], ticks[TICKS - 1]));
}

static double x_of(double recall)
{
    double from = stretched(ticks[0]), to = stretched(ticks[TICKS - 1]);
    return LEFT + (RIGHT - LEFT) * (stretched(recall) - from) / (to - from);
}

static double y_of(const struct plot *plot, double qps)
{
    double share = log(qps / plot->low) / log(plot->high / plot->low);
    return BOTTOM - (BOTTOM - TOP) * clamp(share, 0, 1);
}

/* Colours that stay apart for those who see red and green alike (Okabe and Ito, 2008); ours is the darkest line. */
static const char *colour_of(const struct bench_point *p)
{
    static const struct {
        const char *engine, *colour;
    } colours[] = {
        {"akin", "#0b3c8c"}, {"hnswlib", "#d55e00"}, {"usearch", "#009e73"}, {"faiss", "#a3528f"}};
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        if (strcmp(p->engine, colours[i].engine) == 0)
            return colours[i].colour;
    return "#555555";
}

static bool is_ours(const struct bench_point *p)
{
    return strcmp(p->engine, "akin") == 0;
}

static bool in_view(const struct bench_point *p)
{
    return p->recall >= ticks[0];
}

/* Our index built by two threads is the same index: only the table tells of it. */
static bool is_drawn(const struct bench_point *p, const char *set)
{
    return strcmp(p->set, set) == 0 && !*bench_filter_of(p->params) &&
           !(is_ours(p) && p->threads > 1);
}

/* The largest of 1, 2 or 5 times a power of ten that is at most x. */
static double round_down(double x)
{
    double decade = pow(10, floor(log10(x)));
    return x >= 5 * decade ? 5 * decade : x >= 2 * decade ? 2 * decade : decade;
}

static void find_lines(struct plot *plot, const char *set)
{
    double low = HUGE_VAL, high = 0;
    for (size_t i = 0; i < plot->count; i++) {
        const struct bench_point *p = &plot->points[i];
        struct line *line = &plot->lines[plot->line_count];
        if (!is_drawn(p, set))
            continue;
        if (in_view(p)) {
            low = fmin(low, p->qps);
            high = fmax(high, p->qps);
        }
        if (plot->line_count < LINES_MAX &&
            bench_front_of(&line->front, plot->points, plot->count, i) &&
            in_view(line->front.points[line->front.count - 1]))
            plot->line_count++;
    }
    if (high == 0) {
        fprintf(stderr, "bench_index_plot: set %s has no point of recall %.2f\n", set, ticks[0]);
        exit(1);
    }
    plot->low = round_down(low * 0.9);
    plot->high = round_down(high * 2.6); /* above the highest, as steps are of 2.5 at most */
}

static void text(double x, double y, const char *anchor, const char *style, const char *words)
{
    printf("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" %s>%s</text>\n", x, y, anchor, style,
           words);
}

static void rule(double x1, double y1, double x2, double y2, const char *colour)
{
    printf("<path d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"%s\"/>\n", x1, y1, x2, y2, colour);
}

static void draw_qps(const struct plot *plot, double qps, int step)
{
    char words[32];
    if (qps < plot->low * 0.999 || qps > plot->high * 1.001)
        return;
    rule(LEFT, y_of(plot, qps), RIGHT, y_of(plot, qps), step == 1 ? "#c8c8c8" : "#f0f0f0");
    if (step != 1 && step != 2 && step != 5)
        return;
    snprintf(words, sizeof words, qps < 1000 ? "%.0f" : "%.0fk", qps < 1000 ? qps : qps / 1000);
    text(LEFT - 8, y_of(plot, qps) + 4, "end",
         step == 1 ? "fill=\"#222\"" : "fill=\"#888\" font-size=\"11\"", words);
}

static void draw_axes(const struct plot *plot)
{
    char words[32];
    for (size_t i = 0; i < TICKS; i++) {
        rule(x_of(ticks[i]), TOP, x_of(ticks[i]), BOTTOM, "#e4e4e4");
        snprintf(words, sizeof words, "%g", ticks[i]);
        text(x_of(ticks[i]), BOTTOM + 19, "middle", "fill=\"#444\"", words);
    }
    for (double decade = pow(10, floor(log10(plot->low))); decade <= plot->high; decade *= 10)
        for (int step = 1; step < 10; step++)
            draw_qps(plot, decade * step, step);
    text((LEFT + RIGHT) / 2, BOTTOM + 42, "middle", "fill=\"#222\"",
         "recall@10: share of the true ten nearest that were found (stretched towards 1)");
    text(0, 0, "middle", "fill=\"#222\" transform=\"translate(20,283) rotate(-90)\"",
         "questions a second, one thread (logarithmic)");
}

static void draw_line(const struct plot *plot, const struct line *line)
{
    const struct bench_front *front = &line->front;
    const char *colour = colour_of(front->first);
    bool ours = is_ours(front->first);
    for (size_t i = 0; i < plot->count; i++)
        if (bench_same_line(&plot->points[i], front->first) && in_view(&plot->points[i]))
            printf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2\" fill=\"%s\" opacity=\"0.35\"/>\n",
                   x_of(plot->points[i].recall), y_of(plot, plot->points[i].qps), colour);
    printf("<path fill=\"none\" stroke=\"%s\" stroke-width=\"%s\" stroke-linejoin=\"round\"%s d=\"",
           colour, ours ? "3" : "1.8", front->first->batch > 1 ? " stroke-dasharray=\"7 4\"" : "");
    bool begun = false;
    for (size_t i = 0; i < front->count; i++)
        if (in_view(front->points[i])) {
            printf("%s%.1f %.1f", begun ? "L" : "M", x_of(front->points[i]->recall),
                   y_of(plot, front->points[i]->qps));
            begun = true;
        }
    printf("\"/>\n");
    for (size_t i = 0; i < front->count; i++)
        if (in_view(front->points[i]))
            printf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%s\" fill=\"%s\"/>\n",
                   x_of(front->points[i]->recall), y_of(plot, front->points[i]->qps),
                   ours ? "4" : "3", colour);
}

static int by_name_y(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    return x->name_y < y->name_y ? -1 : x->name_y > y->name_y;
}

/* Names at the heights where their lines end, pushed apart where they would touch. */
static void place_names(struct plot *plot)
{
    for (size_t i = 0; i < plot->line_count; i++) {
        const struct bench_front *front = &plot->lines[i].front;
        plot->lines[i].name_y = y_of(plot, front->points[front->count - 1]->qps);
    }
    qsort(plot->lines, plot->line_count, sizeof *plot->lines, by_name_y);
    for (size_t i = 1; i < plot->line_count; i++)
        plot->lines[i].name_y = fmax(plot->lines[i].name_y, plot->lines[i - 1].name_y + NAME_STEP);
    double below = BOTTOM;
    for (size_t i = plot->line_count; i-- > 0; below = plot->lines[i].name_y - NAME_STEP)
        plot->lines[i].name_y = fmin(plot->lines[i].name_y, below);
}

static void draw_name(const struct plot *plot, const struct line *line)
{
    const struct bench_point *p = line->front.first;
    const struct bench_point *end = line->front.points[line->front.count - 1];
    char words[192], style[96], batch[32] = "";
    if (p->batch > 1)
        snprintf(batch, sizeof batch, ", %u a call", p->batch);
    if (is_ours(p) && strncmp(p->params, "bits=0 ", 7) == 0) /* as it is by default */
        snprintf(words, sizeof words, "akin%s", batch);
    else
        snprintf(words, sizeof words, "%s%s <tspan font-size=\"10\">%.*s</tspan>", p->engine, batch,
                 (int)strcspn(p->params, " "), p->params);
    snprintf(style, sizeof style, "fill=\"%s\"%s", colour_of(p),
             is_ours(p) ? " font-weight=\"bold\"" : "");
    printf("<path fill=\"none\" stroke=\"%s\" stroke-width=\"0.8\" opacity=\"0.6\" "
           "d=\"M%.1f %.1fL%.1f %.1fH%.1f\"/>\n",
           colour_of(p), x_of(end->recall), y_of(plot, end->qps), RIGHT + 6, line->name_y,
           RIGHT + 12);
    text(RIGHT + 15, line->name_y + 4, "start", style, words);
}

int main(int argc, char **argv)
{
    static struct plot plot;
    if (argc != 3)
        return fprintf(stderr, "usage: bench_index_plot SET TITLE <POINTS\n"), 2;
    plot.count = bench_points_read(plot.points, stdin);
    find_lines(&plot, argv[1]);
    place_names(&plot);
    printf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
           "font-family=\"system-ui,Helvetica,Arial,sans-serif\" font-size=\"13\">\n"
           "<title>%s</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
           WIDTH, HEIGHT, argv[2]);
    text(LEFT, 30, "start", "font-size=\"17\" font-weight=\"bold\" fill=\"#111\"", argv[2]);
    text(LEFT, 50, "start", "fill=\"#555\"", "up and to the right is better");
    draw_axes(&plot);
    for (size_t i = 0; i < plot.line_count; i++)
        draw_line(&plot, &plot.lines[i]);
    for (size_t i = 0; i < plot.line_count; i++)
        draw_name(&plot, &plot.lines[i]);
    printf("</svg>\n");
    return 0;
}

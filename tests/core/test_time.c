/*
 * Times and intervals: parsing, formatting (and back), and times out of file names.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../check.h"

#define DAY INT64_C(86400000)
#define HOUR INT64_C(3600000)

static int64_t at(const char *text)
{
    struct akin_interval interval = {-1, -1};
    return akin_interval_parse(&interval, text, NULL) == AKIN_OK ? interval.begin_ms : -1;
}

static bool is(const char *text, int64_t begin, int64_t end)
{
    struct akin_interval interval = {7, 7};
    return CHECK_EQ(akin_interval_parse(&interval, text, NULL), AKIN_OK) &&
           CHECK_EQ(interval.begin_ms, begin) && CHECK_EQ(interval.end_ms, end);
}

TEST(dates_stand_for_all_of_themselves)
{
    is("1970", 0, 365 * DAY);
    is("1970-01", 0, 31 * DAY);
    is("1970-01-01", 0, DAY);
    is("2000", 946684800000, 978307200000);
    is("2000-02", 949363200000, 949363200000 + 29 * DAY);
    is("2020-09-27", 1601164800000, 1601164800000 + DAY);
    is("1969-12-31", -DAY, 0);
    is("0001", -62135596800000, -62135596800000 + 365 * DAY);
    is("9999-12-31", 253402214400000, 253402300800000);
}

TEST(clock_times_are_instants)
{
    is("1970-01-01T00:00:00Z", 0, 0);
    is("1970-01-01T00:00", 0, 0);
    is("1970-01-01T23:59:59.999Z", DAY - 1, DAY - 1);
    is("1970-01-01T00:00:00.5", 500, 500);
    is("1970-01-01T00:00:00.123456789Z", 123, 123);
    is("1970-01-01T01:30+01:30", 0, 0);
    is("1969-12-31T23:00:00-01:00", 0, 0);
    is("2020-09-27T10:30:00Z", 1601202600000, 1601202600000);
}

TEST(intervals_hold_all_of_their_end)
{
    is("2004-01/2004-03", at("2004-01"), at("2004-04"));
    is("2004-01-01/2005-01-01", at("2004"), at("2005-01-02"));
    is("../2005-01-01", AKIN_TIME_MIN, at("2005-01-02"));
    is("/2005", AKIN_TIME_MIN, at("2006"));
    is("2004/..", at("2004"), AKIN_TIME_MAX);
    is("2004/", at("2004"), AKIN_TIME_MAX);
    is("../..", AKIN_TIME_MIN, AKIN_TIME_MAX);
    is("2004/2004", at("2004"), at("2005"));
    is("2004-01-01T00:00:00Z/2004-01-01T12:00:00Z", at("2004"), at("2004") + 12 * HOUR);
    is("2004-01-01T00:00:00Z/2004-01-01T00:00:00Z", at("2004"), at("2004"));
    is("2004-06-01T05:00:00Z/2004-06", at("2004-06") + 5 * HOUR, at("2004-07"));
}

TEST(what_is_not_a_time_is_refused)
{
    static const char *const bad[] = {"",
                                      " 2004",
                                      "2004 ",
                                      "204",
                                      "02004",
                                      "0000",
                                      "20040",
                                      "-2004",
                                      "+2004",
                                      "2004-",
                                      "2004-1",
                                      "2004-00",
                                      "2004-13",
                                      "2004-02-30",
                                      "2003-02-29",
                                      "1900-02-29",
                                      "2100-02-29",
                                      "2004-04-31",
                                      "2004-01-00",
                                      "2004-01-32",
                                      "20040101",
                                      "2004/01/01",
                                      "2004-01-01T",
                                      "2004-01-01T1",
                                      "2004-01-01T10",
                                      "2004-01-01T24:00",
                                      "2004-01-01T23:60",
                                      "2004-01-01T23:59:60",
                                      "2004-01-01T10:00:00.",
                                      "2004-01-01T10:00:00.1234567890",
                                      "2004-01-01T10:00z",
                                      "2004-01-01t10:00Z",
                                      "2004-01-01 10:00",
                                      "2004-01-01T10:00:00+1",
                                      "2004-01-01T10:00+01",
                                      "2004-01-01T10:00+24:00",
                                      "2004-01-01T10:00+01:60",
                                      "2004-01-01T10:00Zx",
                                      "0001-01-01T00:00+01:00",
                                      "9999-12-31T23:59-01:00",
                                      "..",
                                      "/",
                                      "2004/2005/2006",
                                      "2005/2004",
                                      "2004-03/2004-01",
                                      "2004/.",
                                      "2004/...",
                                      ".../2004",
                                      "2004-01-01T10:00Z/"
                                      "2004-01-01T09:00Z",
                                      "now",
                                      "2004-01Z",
                                      "2004-1a",
                                      "2004\n",
                                      "2004-01-01T00:00:00Z/2004-01-01T00:00:00Z/"
                                      "2004-01-01T00:00:00Z/2004-01-01T00:00:00Z/2004-01"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct akin_interval interval = {7, 7};
        akin_error why = {0};
        if (!CHECK_EQ(akin_interval_parse(&interval, bad[i], &why), AKIN_ERR_INVALID))
            CHECK_TEXT(bad[i], "");
        CHECK(interval.begin_ms == 7 && interval.end_ms == 7);
        CHECK_CONTAINS(why.text, "is not a time");
    }
    akin_error why = {0};
    CHECK_EQ(akin_interval_parse(&(struct akin_interval){0}, "2004-02-30", &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "'2004-02-30'");
    CHECK_EQ(akin_interval_parse(&(struct akin_interval){0}, NULL, &why), AKIN_ERR_INVALID);
}

/* Every day of 20 centuries against the C library's own calendar. */
TEST(days_agree_with_timegm)
{
    for (int64_t day = at("0001") / DAY; day < at("2100") / DAY; day += 1) {
        time_t seconds = (time_t)(day * 86400);
        struct tm tm;
        char text[AKIN_INTERVAL_TEXT_MAX], want[AKIN_INTERVAL_TEXT_MAX];
        struct akin_interval interval;
        akin_interval_format(text, (struct akin_interval){day * DAY, (day + 1) * DAY});
        gmtime_r(&seconds, &tm);
        snprintf(want, sizeof want, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
        if (strcmp(text, want) != 0) {
            CHECK_TEXT(text, want);
            return;
        }
        if (akin_interval_parse(&interval, text, NULL) != AKIN_OK ||
            interval.begin_ms != day * DAY) {
            CHECK_TEXT(text, "itself when parsed");
            return;
        }
    }
    CHECK_EQ(at("0001") / DAY, -719162);
}

TEST(formats_are_the_shortest_and_come_back)
{
    static const char *const texts[] = {"2004",
                                        "2004-02",
                                        "2004-12",
                                        "2020-09-27",
                                        "2020-12-31",
                                        "2020-01-01",
                                        "2020-09-27T10:30:00Z",
                                        "2020-09-27T10:30:00.007Z",
                                        "2020-01-01T00:00:00Z",
                                        "2004/2005",
                                        "2004-02/2004-04",
                                        "2004/2005-03",
                                        "2004-01-02/2004-01-03",
                                        "../2005",
                                        "2004-05-06/..",
                                        "../..",
                                        "2004/2005-01-01T00:00:01Z",
                                        "2004-01-01T00:00:00.001Z/2004",
                                        "0001",
                                        "9999",
                                        "9999-12-31",
                                        "1969-12-31T23:59:59.999Z/1969"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[AKIN_INTERVAL_TEXT_MAX];
        struct akin_interval interval;
        REQUIRE_OK(akin_interval_parse(&interval, texts[i], err));
        akin_interval_format(text, interval);
        CHECK_TEXT(text, texts[i]);
    }
}

TEST(formats_of_the_same_thing_said_otherwise)
{
    static const char *const pairs[][2] = {{"2004-01-01/2004-12-31", "2004"},
                                           {"2004-01/2004-12", "2004"},
                                           {"2004-02-01/2004-02-29", "2004-02"},
                                           {"2004-01-01/2004-03-31", "2004/2004-03"},
                                           {"2020-09-27T12:30:00+02:00", "2020-09-27T10:30:00Z"},
                                           {"/2004", "../2004"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char text[AKIN_INTERVAL_TEXT_MAX];
        struct akin_interval interval, back;
        REQUIRE_OK(akin_interval_parse(&interval, pairs[i][0], err));
        akin_interval_format(text, interval);
        CHECK_TEXT(text, pairs[i][1]);
        REQUIRE_OK(akin_interval_parse(&back, text, err));
        CHECK(back.begin_ms == interval.begin_ms && back.end_ms == interval.end_ms);
    }
}

TEST(formats_of_any_number_fit)
{
    static const int64_t odd[] = {
        AKIN_TIME_MIN, AKIN_TIME_MIN + 1,        -62135596800001,   -1,           0, 1,
        DAY,           INT64_C(253402300800000), AKIN_TIME_MAX - 1, AKIN_TIME_MAX};
    char text[AKIN_INTERVAL_TEXT_MAX];
    for (size_t a = 0; a < 10; a++)
        for (size_t b = 0; b < 10; b++) {
            akin_interval_format(text, (struct akin_interval){odd[a], odd[b]});
            CHECK(strlen(text) < sizeof text);
            CHECK_EQ(text[0] == '\0', odd[a] > odd[b]);
        }
    akin_time_format(text, AKIN_TIME_MIN);
    CHECK_TEXT(text, "..");
    akin_time_format(text, AKIN_TIME_MAX);
    CHECK_TEXT(text, "..");
    akin_time_format(text, 1601202600123);
    CHECK_TEXT(text, "2020-09-27T10:30:00.123Z");
    akin_interval_format(text, akin_interval_unknown());
    CHECK_TEXT(text, "");
}

static bool meet(const char *a, const char *b)
{
    struct akin_interval x = akin_interval_unknown(), y = akin_interval_unknown();
    if (*a)
        akin_interval_parse(&x, a, NULL);
    if (*b)
        akin_interval_parse(&y, b, NULL);
    bool result = akin_interval_intersects(x, y);
    CHECK_EQ(akin_interval_intersects(y, x), result);
    return result;
}

TEST(intersections)
{
    CHECK(meet("2004", "2004-06"));
    CHECK(meet("2004-12-31", "2004/2005"));
    CHECK(!meet("2004", "2005")); /* half-open */
    CHECK(meet("2004-01-01T00:00:00Z", "2004"));
    CHECK(!meet("2005-01-01T00:00:00Z", "2004"));
    CHECK(meet("2004-01-01T00:00:00Z", "2004-01-01T00:00:00Z"));
    CHECK(!meet("2004-01-01T00:00:00Z", "2004-01-01T00:00:00.001Z"));
    CHECK(meet("../..", "2004-01-01T00:00:00Z"));
    CHECK(meet("../2004", "2004-12-31/.."));
    CHECK(!meet("../2003", "2004/.."));
    CHECK(!meet("", "2004"));
    CHECK(!meet("", ""));
    CHECK(!meet("../..", ""));
    CHECK(!akin_interval_known(akin_interval_unknown()));
    CHECK(akin_interval_known((struct akin_interval){AKIN_TIME_MIN, AKIN_TIME_MAX}));
}

static void check_pattern(const char *text, const char *pattern, const char *want)
{
    struct akin_interval interval;
    char got[AKIN_INTERVAL_TEXT_MAX] = "none";
    if (akin_time_from_pattern(&interval, text, pattern, NULL) == AKIN_OK)
        akin_interval_format(got, interval);
    CHECK_TEXT(got, want);
}

TEST(patterns_that_match)
{
    check_pattern("snow-1985.tif", "%Y", "1985");
    check_pattern("x/2004/01/y.tif", "%Y/%m/", "2004-01");
    check_pattern("20200927", "%Y%m%d", "2020-09-27");
    check_pattern("27sep2020.png", "%d%b%Y", "2020-09-27");
    check_pattern("a2020271b", "a%Y%jb", "2020-09-27");
    check_pattern("a2019365", "%Y%j", "2019-12-31");
    check_pattern("2020-09-27 10h", "%Y-%m-%d %Hh", "2020-09-27T10:00:00Z/2020-09-27T11:00:00Z");
    check_pattern("202009271030", "%Y%m%d%H%M", "2020-09-27T10:30:00Z/2020-09-27T10:31:00Z");
    check_pattern("20200927103007", "%Y%m%d%H%M%S", "2020-09-27T10:30:07Z");
    check_pattern("2020/09/sat_20200927.tif", "%Y/%m/*_%Y%m%d", "2020-09-27");
    check_pattern("LC08_L1TP_044034_20130506_20170310", "L???_L1TP_*_%Y%m%d_*_", "none");
    check_pattern("LC08_L1TP_044034_20130506_20170310", "L???_L1TP_*_%Y%m%d_", "2013-05-06");
    check_pattern("day 27 of 09, 2020", "day %d*%m*%Y", "2020-09-27");
    check_pattern("100%2004", "100%%%Y", "2004");
    check_pattern("v2_2020_2021", "*_%Y", "2020");
    check_pattern("9999-99-99 2020-01-02", "%Y-%m-%d", "2020-01-02");
    check_pattern("2019-02-29 2020-02-29", "%Y-%m-%d", "2020-02-29");
}

TEST(patterns_that_do_not_match)
{
    check_pattern("", "%Y", "none");
    check_pattern("204", "%Y", "none");
    check_pattern("2020-9-27", "%Y-%m-%d", "none");
    check_pattern("2021-02-29", "%Y-%m-%d", "none");
    check_pattern("2020366 2019366", "x%Y%j", "none");
    check_pattern("2019366", "%Y%j", "none");
    check_pattern("2019000", "%Y%j", "none");
    check_pattern("0000", "%Y", "none");
    check_pattern("2020-09-27T24", "%Y-%m-%dT%H", "none");
    check_pattern("2020/10/20200927", "%Y/%m/%Y%m%d", "none"); /* says two months */
    check_pattern("2020", "%Y?", "none");
    check_pattern("foo2020", "Foo%Y", "none");
    check_pattern("27xxx2020", "%d%b%Y", "none");
    akin_error why = {0};
    CHECK_EQ(akin_time_from_pattern(&(struct akin_interval){0}, "a\nb", "%Y", &why),
             AKIN_ERR_NOT_FOUND);
    CHECK_TEXT(why.text, "'a\\x0ab' has no time of the form '%Y'");
}

TEST(patterns_that_are_wrong)
{
    static const char *const bad[][2] = {{"", "no year"},          {"*", "no year"},
                                         {"%m", "no year"},        {"%Y%", "none of"},
                                         {"%Y%q", "%q"},           {"%y", "%y"},
                                         {"%Y%d", "%d needs"},     {"%Y%m%H", "%H needs"},
                                         {"%Y%m%d%M", "%M needs"}, {"%Y%m%d%H%S", "%S needs"},
                                         {"%Y%j%m", "%j goes"},    {"%Y%b%d%j", "%j goes"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        akin_error why = {0};
        struct akin_interval interval = {7, 7};
        CHECK_EQ(akin_time_from_pattern(&interval, "2020", bad[i][0], &why), AKIN_ERR_INVALID);
        CHECK_CONTAINS(why.text, bad[i][1]);
        CHECK_EQ(interval.begin_ms, 7);
    }
    char pattern[400];
    memset(pattern, '%', sizeof pattern - 1);
    pattern[sizeof pattern - 1] = '\0';
    CHECK_EQ(akin_time_from_pattern(&(struct akin_interval){0}, "2020", pattern, NULL),
             AKIN_ERR_INVALID);
}

/* Worst cases end: many stars over a long text that almost fits. */
TEST(patterns_are_bounded)
{
    static char text[4097], pattern[257];
    memset(text, '1', sizeof text - 1);
    for (size_t i = 0; i + 1 < sizeof pattern - 3; i += 2)
        memcpy(pattern + i, "*1", 2);
    memcpy(pattern + 252, "x%Y", 4);
    check_pattern(text, pattern, "none");
    static char longer[5000];
    memset(longer, '2', sizeof longer - 1);
    check_pattern(longer, "%Y", "none");
}

TEST(guesses)
{
    static const char *const names[][2] = {
        {"MODIS-Terra-CorrectedReflectance-TrueColor_2020-09-27.jpeg", "2020-09-27"},
        {"m_4709963_se_14_1_20090818.tif", "2009-08-18"},
        {"MOD09GA.A2015123.h10v05.hdf", "2015-05-03"},
        {"20220914.aqua.truecolor.250m.tiff", "2022-09-14"},
        {"Aqua_CorrectedReflectance20071227_-61--40_10-24.jpeg", "2007-12-27"},
        {"S2A_MSIL1C_20170105T013442_N0204", "2017-01-05T01:34:42Z"},
        {"x_2017-01-05T013442Z.tif", "2017-01-05T01:34:42Z"},
        {"x_2017-01-05T01:34:42Z.tif", "2017-01-05"},
        {"monthly-2004-01.png", "2004-01"},
        {"20180101-123000.jpg", "2018-01-01"},
        {"2018-01-01-2.jpg", "2018-01-01"},
        {"LC08_L1TP_044034_20130506_20170310_01_T1", "2013-05-06"},
        {"20209999_20200102", "2020-01-02"},
        {"MYD021KM.A2020366.1035.061", "2020-12-31"},
        {"A2021366", ""},
        {"1985.tif", ""},
        {"nasa-bmng-01_2048.jpg", ""},
        {"2048x1024.png", ""},
        {"120200927", ""},
        {"202009271", ""},
        {"18991231", ""},
        {"22000101", ""},
        {"2020-09-31.tif", ""},
        {"2020-13.tif", ""},
        {"12-2020-09.tif", ""},
        {"", ""},
        {"A", ""},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct akin_interval interval = akin_interval_unknown();
        char text[AKIN_INTERVAL_TEXT_MAX];
        CHECK_EQ(akin_time_guess(&interval, names[i][0]), names[i][1][0] != '\0');
        akin_interval_format(text, interval);
        if (!CHECK_TEXT(text, names[i][1]))
            CHECK_TEXT(names[i][0], "");
    }
    CHECK(!akin_time_guess(&(struct akin_interval){0}, NULL));
}

TEST(now_is_after_this_was_written)
{
    CHECK(akin_time_now_ms() > at("2024"));
    CHECK(akin_time_now_ms() < at("9999"));
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}

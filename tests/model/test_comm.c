/*
 * Replicas: what they gather and add up is the same on all, in order of rank to the bit, as threads
 * and as processes over MPI; and none waits for one that has left.
 *
 * The case over MPI runs this program again under mpirun, on the loopback: `test_comm --replica
 * FOLDER` writes what each rank got.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <unistd.h>

#include "../../src/model/comm.h"
#include "peer.h"

#define REPLICAS_MAX 5
#define GATHERED 777
/* Of no whole number of slices, more than one message of MPI. */
#define SUMMED ((size_t)1200003)
#define ROUNDS 20

/* What one replica saw. */
struct outcome {
    unsigned rank, size;
    float *all; /* (size, GATHERED) */
    float *sum; /* (SUMMED) */
    bool any_of_last, any_of_none;
    akin_status status;
};

/* Over many orders of magnitude, so that another order of adding shows in the bits. */
static void fill(float *x, size_t count, unsigned rank, uint64_t round)
{
    for (size_t i = 0; i < count; i++) {
        double u = akin_random_unit(rank, round, i);
        x[i] = (float)((u - 0.5) * (double)((uint64_t)1 << (i % 30)));
    }
}

static struct outcome outcome_create(unsigned size)
{
    return (struct outcome){.all = calloc((size_t)size * GATHERED, sizeof(float)),
                            .sum = calloc(SUMMED, sizeof(float))};
}

static void outcome_free(struct outcome *outcome)
{
    free(outcome->all);
    free(outcome->sum);
}

/* One of each call, and sums of few numbers: fewer than replicas, none. */
static akin_status take_part(struct comm *comm, struct outcome *out)
{
    float mine[GATHERED], few[3];
    out->rank = comm->rank;
    out->size = comm->size;
    out->any_of_last = comm->rank + 1 == comm->size;
    fill(mine, GATHERED, comm->rank, 1);
    fill(out->sum, SUMMED, comm->rank, 2);
    fill(few, 3, comm->rank, 3);
    akin_status status = comm->gather(comm, out->all, mine, GATHERED, NULL);
    if (status == AKIN_OK)
        status = comm->sum(comm, out->sum, SUMMED, NULL);
    if (status == AKIN_OK)
        status = comm->sum(comm, few, 3, NULL);
    if (status == AKIN_OK)
        status = comm->sum(comm, NULL, 0, NULL);
    memcpy(out->sum, few, sizeof few); /* shown to the test where the first sums were */
    if (status == AKIN_OK)
        status = comm->any(comm, &out->any_of_last, NULL);
    if (status == AKIN_OK)
        status = comm->any(comm, &out->any_of_none, NULL);
    return status;
}

/* The same without any replicas. */
static void expect(struct outcome *out, unsigned size)
{
    float *x = calloc(SUMMED, sizeof *x);
    for (unsigned r = 0; r < size; r++) {
        fill(out->all + (size_t)r * GATHERED, GATHERED, r, 1);
        fill(x, SUMMED, r, 2);
        fill(x, 3, r, 3);
        for (size_t i = 0; i < SUMMED; i++)
            out->sum[i] = r == 0 ? x[i] : out->sum[i] + x[i];
    }
    free(x);
}

static void check_outcome(const struct outcome *got, const struct outcome *expected, unsigned rank,
                          unsigned size)
{
    CHECK_EQ(got->rank, rank);
    CHECK_EQ(got->size, size);
    CHECK(memcmp(got->all, expected->all, (size_t)size * GATHERED * sizeof(float)) == 0);
    CHECK(memcmp(got->sum, expected->sum, SUMMED * sizeof(float)) == 0);
    CHECK(got->any_of_last);
    CHECK(!got->any_of_none);
}

struct member {
    pthread_t thread;
    struct comm *comm;
    struct outcome outcome;
    uint64_t rounds;
    akin_error err;
    akin_status later[2];
};

static void *run_member(void *user)
{
    struct member *member = user;
    member->outcome.status = take_part(member->comm, &member->outcome);
    return NULL;
}

static void run_threads(struct comm **handles, unsigned size, struct member *members,
                        void *(*body)(void *))
{
    for (unsigned r = 0; r < size; r++) {
        members[r].comm = handles[r];
        pthread_create(&members[r].thread, NULL, body, &members[r]);
    }
    for (unsigned r = 0; r < size; r++)
        pthread_join(members[r].thread, NULL);
}

TEST(threads_gather_and_add_in_order_of_rank)
{
    for (unsigned size = 1; size <= REPLICAS_MAX; size++) {
        struct comm *handles[REPLICAS_MAX] = {NULL};
        struct member members[REPLICAS_MAX];
        struct outcome expected = outcome_create(size);
        expect(&expected, size);
        REQUIRE_OK(comm_threads_create(handles, size, err));
        for (unsigned r = 0; r < size; r++)
            members[r].outcome = outcome_create(size);
        run_threads(handles, size, members, run_member);
        for (unsigned r = 0; r < size; r++) {
            CHECK_EQ(members[r].outcome.status, AKIN_OK);
            check_outcome(&members[r].outcome, &expected, r, size);
            outcome_free(&members[r].outcome);
        }
        outcome_free(&expected);
        comm_threads_free(handles, size);
        CHECK(handles[0] == NULL);
    }
}

/* Many short rounds, in which a replica that ran ahead would change what another still reads. */
static void *run_rounds(void *user)
{
    struct member *member = user;
    struct comm *comm = member->comm;
    for (uint64_t round = 0; round < 500; round++) {
        float x[40], all[40 * REPLICAS_MAX], total = 0;
        bool flag = round % comm->size == comm->rank && round % 7 == 0;
        for (size_t i = 0; i < 40; i++)
            x[i] = (float)(comm->rank + round);
        for (unsigned r = 0; r < comm->size; r++)
            total += (float)(r + round);
        bool good = comm->gather(comm, all, x, 40, NULL) == AKIN_OK &&
                    comm->sum(comm, x, 40, NULL) == AKIN_OK &&
                    comm->any(comm, &flag, NULL) == AKIN_OK && flag == (round % 7 == 0);
        for (size_t i = 0; i < 40; i++)
            good &= x[i] == total;
        for (size_t i = 0; i < 40 * comm->size; i++)
            good &= all[i] == (float)(i / 40 + round);
        if (!good) {
            member->outcome.status = AKIN_ERR_CORRUPT;
            comm_threads_leave(comm);
            break;
        }
    }
    return NULL;
}

TEST(threads_do_not_run_ahead_of_each_other)
{
    struct comm *handles[4];
    struct member members[4] = {0};
    REQUIRE_OK(comm_threads_create(handles, 4, err));
    run_threads(handles, 4, members, run_rounds);
    for (unsigned r = 0; r < 4; r++)
        CHECK_EQ(members[r].outcome.status, AKIN_OK);
    comm_threads_free(handles, 4);
}

/* Replica 1 leaves after ROUNDS sums; the others would go on for ever. CHECK is for one thread. */
static void *run_until_left(void *user)
{
    struct member *member = user;
    struct comm *comm = member->comm;
    float x[100] = {0}, all[300];
    bool flag = false;
    while (member->outcome.status == AKIN_OK && (comm->rank != 1 || member->rounds < ROUNDS)) {
        member->outcome.status = comm->sum(comm, x, 100, &member->err);
        member->rounds += member->outcome.status == AKIN_OK;
    }
    if (comm->rank == 1) {
        comm_threads_leave(comm);
    } else { /* and it stays so, in each call */
        member->later[0] = comm->gather(comm, all, x, 100, NULL);
        member->later[1] = comm->any(comm, &flag, NULL);
    }
    return NULL;
}

TEST(one_that_leaves_cancels_the_others_at_their_next_meeting)
{
    for (int again = 0; again < 20; again++) {
        struct comm *handles[3];
        struct member members[3] = {0};
        REQUIRE_OK(comm_threads_create(handles, 3, err));
        run_threads(handles, 3, members, run_until_left);
        CHECK_EQ(members[1].outcome.status, AKIN_OK);
        for (unsigned r = 0; r < 3; r += 2) {
            CHECK_EQ(members[r].outcome.status, AKIN_ERR_CANCELLED);
            CHECK_EQ(members[r].rounds, ROUNDS);
            CHECK_CONTAINS(members[r].err.text, "replica 1 had left");
            CHECK_EQ(members[r].later[0], AKIN_ERR_CANCELLED);
            CHECK_EQ(members[r].later[1], AKIN_ERR_CANCELLED);
        }
        comm_threads_free(handles, 3);
    }
}

TEST(numbers_of_replicas_that_make_no_sense_are_refused)
{
    struct comm *handles[2] = {NULL};
    akin_error err = {0};
    CHECK_EQ(comm_threads_create(handles, 0, &err), AKIN_ERR_INVALID);
    CHECK_CONTAINS(err.text, "0 replicas");
    CHECK_EQ(comm_threads_create(handles, 1025, &err), AKIN_ERR_INVALID);
    akin_memory_fail_at(0);
    CHECK_EQ(comm_threads_create(handles, 2, &err), AKIN_ERR_NO_MEMORY);
    akin_memory_fail_at(-1);
    CHECK(handles[0] == NULL);
    comm_threads_free(handles, 2);
    comm_threads_free(NULL, 0);
    comm_threads_leave(NULL);
}

/* False, and the case skipped, in a build without MPI. */
static bool has_mpi(void)
{
    struct comm *comm = NULL;
    akin_error err = {0};
    akin_status status = comm_mpi_open(&comm, &err);
    if (status == AKIN_ERR_UNSUPPORTED) {
        CHECK_CONTAINS(err.text, "make MPI=1");
        CHECK(comm == NULL);
        check_skip("built without MPI=1");
        return false;
    }
    CHECK_EQ(status, AKIN_OK);
    comm_mpi_close(comm);
    return status == AKIN_OK;
}

TEST(without_mpirun_there_is_one_replica)
{
    struct comm *comm = NULL;
    float x[3] = {1, 2, 3}, all[3] = {0};
    bool flag = true;
    if (!has_mpi())
        return;
    REQUIRE_OK(comm_mpi_open(&comm, err));
    CHECK_EQ(comm->size, 1);
    CHECK_EQ(comm->rank, 0);
    CHECK_EQ(comm->gather(comm, all, x, 3, NULL), AKIN_OK);
    CHECK(memcmp(all, x, sizeof x) == 0);
    CHECK_EQ(comm->sum(comm, x, 3, NULL), AKIN_OK);
    CHECK(memcmp(all, x, sizeof x) == 0);
    CHECK_EQ(comm->any(comm, &flag, NULL), AKIN_OK);
    CHECK(flag);
    comm_mpi_leave(comm);
    comm_mpi_close(comm);
    comm_mpi_leave(NULL);
    comm_mpi_close(NULL);
}

/* mpirun of this program on this machine alone; its exit status. */
static int run_mpi(unsigned size, const char *role, const char *folder)
{
    char self[AKIN_PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = 0;
    return peer_run(
        "timeout 120 mpirun --allow-run-as-root --oversubscribe --mca btl self,vader --mca plm "
        "isolated -n %u '%s' %s '%s' >'%s/log' 2>&1",
        size, self, role, folder, folder);
}

static bool has_mpirun(void)
{
    if (!has_mpi())
        return false;
    bool there = peer_run("command -v mpirun >/dev/null") == 0;
    if (!there)
        check_skip("mpirun is not installed");
    return there;
}

TEST(processes_over_mpi_get_what_threads_get_to_the_bit)
{
    if (!has_mpirun())
        return;
    for (unsigned size = 2; size <= 3; size++) {
        const char *folder = check_folder();
        struct outcome expected = outcome_create(size), got = outcome_create(size);
        expect(&expected, size);
        CHECK_EQ(run_mpi(size, "--replica", folder), 0);
        for (unsigned r = 0; r < size; r++) {
            unsigned numbers[4] = {0};
            char name[32];
            snprintf(name, sizeof name, "%u.numbers", r);
            CHECK(peer_read(folder, name, numbers, sizeof numbers));
            snprintf(name, sizeof name, "%u.all", r);
            CHECK(peer_read(folder, name, got.all, size * GATHERED * sizeof(float)));
            snprintf(name, sizeof name, "%u.sum", r);
            CHECK(peer_read(folder, name, got.sum, SUMMED * sizeof(float)));
            got.rank = numbers[0];
            got.size = numbers[1];
            got.any_of_last = numbers[2];
            got.any_of_none = numbers[3];
            check_outcome(&got, &expected, r, size);
        }
        outcome_free(&expected);
        outcome_free(&got);
    }
}

/* The status is mpirun's, not that of a limit that ran out. */
TEST(a_process_that_leaves_ends_the_others)
{
    if (!has_mpirun())
        return;
    CHECK_EQ(run_mpi(2, "--leaver", check_folder()), 1);
}

/* As one rank, under mpirun. */
static int replica_main(const char *folder)
{
    struct comm *comm = NULL, *twice = NULL;
    akin_error err = {0};
    if (comm_mpi_open(&comm, &err) != AKIN_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    struct outcome out = outcome_create(comm->size);
    char name[3][32];
    bool good = take_part(comm, &out) == AKIN_OK;
    const unsigned numbers[4] = {out.rank, out.size, out.any_of_last, out.any_of_none};
    snprintf(name[0], sizeof name[0], "%u.numbers", comm->rank);
    snprintf(name[1], sizeof name[1], "%u.all", comm->rank);
    snprintf(name[2], sizeof name[2], "%u.sum", comm->rank);
    good = good && peer_write(folder, name[0], numbers, sizeof numbers) &&
           peer_write(folder, name[1], out.all, comm->size * GATHERED * sizeof(float)) &&
           peer_write(folder, name[2], out.sum, SUMMED * sizeof(float));
    comm_mpi_close(comm);
    outcome_free(&out);
    return good && comm_mpi_open(&twice, NULL) == AKIN_ERR_UNSUPPORTED ? 0 : 1;
}

/* Rank 1 gives up, while the others wait for it in a sum. */
static int leaver_main(void)
{
    struct comm *comm = NULL;
    float x[100] = {0};
    if (comm_mpi_open(&comm, NULL) != AKIN_OK)
        return 1;
    comm->sum(comm, x, 100, NULL);
    if (comm->rank == 1)
        comm_mpi_leave(comm);
    else
        comm->sum(comm, x, 100, NULL);
    comm_mpi_close(comm);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--replica") == 0)
        return replica_main(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--leaver") == 0)
        return leaver_main();
    return check_main(argc, argv);
}

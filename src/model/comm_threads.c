/*
 * Replicas as threads of one process: they show each other where their vectors lie and meet at a
 * barrier. Nothing is copied but the result.
 *
 *   meet    all have shown what they have; here a replica that has left cancels the others
 *   work    gather: each copies everything for itself
 *           sum: each adds up its own slice of the vector, of all replicas in order of rank, and
 *           writes it to all of them: the work is shared and the slices are nobody else's
 *   part    all are done with the others' memory; those that have met part for certain, so nothing
 *           cancels this one, and no one returns while another still reads from it
 *
 * The barrier sleeps: a spinning one takes the core from the replica that is waited for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "comm.h"

#include <pthread.h>
#include <string.h>

#include "akin/vec.h"

#define REPLICAS_MAX 1024
/* Floats that are added up at once: they stay in the first cache. */
#define BLOCK 1024
/* Slices begin at whole cache lines of most vectors. */
#define LINE 16

struct group {
    pthread_mutex_t mutex;
    pthread_cond_t all_here;
    unsigned size, arrived;
    bool left; /* then for good: such a group never meets again */
    unsigned first_left;
    uint64_t generation; /* of the barrier: how often it has opened */
    struct threads_comm {
        struct comm base; /* first: a handle is both */
        struct group *group;
        /* What this replica shows the others, between meet and part. */
        float *vector;
        const float *source;
        size_t count;
        bool flag;
    } members[];
};

static struct threads_comm *member_of(struct comm *comm)
{
    return (struct threads_comm *)comm;
}

/* Waits for all; false where one has left and `cancellable`. After that `arrived` counts one too
 * many, which does not matter: only meetings are cancelled, and there are no more of them. */
static bool wait_for_all(struct group *group, bool cancellable)
{
    pthread_mutex_lock(&group->mutex);
    uint64_t generation = group->generation;
    if (++group->arrived == group->size && !(cancellable && group->left)) {
        group->arrived = 0;
        group->generation++;
        pthread_cond_broadcast(&group->all_here);
    }
    while (group->generation == generation && !(cancellable && group->left))
        pthread_cond_wait(&group->all_here, &group->mutex);
    bool opened = group->generation != generation;
    pthread_mutex_unlock(&group->mutex);
    return opened;
}

static akin_status meet(struct threads_comm *member, akin_error *err)
{
    if (wait_for_all(member->group, true))
        return AKIN_OK;
    return akin_error_set(err, AKIN_ERR_CANCELLED, "replica %u stopped: replica %u had left",
                          member->base.rank, member->group->first_left);
}

static void part(struct threads_comm *member)
{
    wait_for_all(member->group, false);
}

static akin_status gather(struct comm *comm, float *all, const float *mine, size_t count,
                          akin_error *err)
{
    struct threads_comm *member = member_of(comm);
    member->source = mine;
    akin_status status = meet(member, err);
    if (status != AKIN_OK)
        return status;
    for (unsigned r = 0; r < comm->size; r++)
        memcpy(all + r * count, member->group->members[r].source, count * sizeof *all);
    part(member);
    return AKIN_OK;
}

/* Where the slice of a rank begins; that of rank `size` at the end. */
static size_t slice_begin(size_t count, unsigned rank, unsigned size)
{
    size_t lines = (count + LINE - 1) / LINE;
    size_t begin = (lines / size * rank + lines % size * rank / size) * LINE;
    return begin < count ? begin : count;
}

static akin_status sum(struct comm *comm, float *x, size_t count, akin_error *err)
{
    const struct akin_kernels *kernels = akin_kernels();
    struct threads_comm *member = member_of(comm), *members = member->group->members;
    float total[BLOCK];
    member->vector = x;
    akin_status status = meet(member, err);
    if (status != AKIN_OK)
        return status;
    size_t end = slice_begin(count, comm->rank + 1, comm->size);
    for (size_t at = slice_begin(count, comm->rank, comm->size), n; at < end; at += n) {
        n = end - at < BLOCK ? end - at : BLOCK;
        memcpy(total, members[0].vector + at, n * sizeof *total);
        for (unsigned r = 1; r < comm->size; r++)
            kernels->axpy(total, 1, members[r].vector + at, n);
        for (unsigned r = 0; r < comm->size; r++)
            memcpy(members[r].vector + at, total, n * sizeof *total);
    }
    part(member);
    return AKIN_OK;
}

static akin_status any(struct comm *comm, bool *flag, akin_error *err)
{
    struct threads_comm *member = member_of(comm);
    bool found = false;
    member->flag = *flag;
    akin_status status = meet(member, err);
    if (status != AKIN_OK)
        return status;
    for (unsigned r = 0; r < comm->size; r++)
        found |= member->group->members[r].flag;
    part(member);
    *flag = found;
    return AKIN_OK;
}

akin_status comm_threads_create(struct comm **handles, unsigned size, akin_error *err)
{
    if (size < 1 || size > REPLICAS_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "%u replicas: there can be 1 to %d", size,
                              REPLICAS_MAX);
    size_t bytes = sizeof(struct group) + size * sizeof(struct threads_comm);
    struct group *group = akin_alloc_zero(1, bytes);
    if (!group)
        return akin_error_memory(err, bytes, "the replicas' meeting place");
    pthread_mutex_init(&group->mutex, NULL);
    pthread_cond_init(&group->all_here, NULL);
    group->size = size;
    for (unsigned r = 0; r < size; r++) {
        group->members[r].base =
            (struct comm){.rank = r, .size = size, .gather = gather, .sum = sum, .any = any};
        group->members[r].group = group;
        handles[r] = &group->members[r].base;
    }
    return AKIN_OK;
}

void comm_threads_leave(struct comm *comm)
{
    if (!comm)
        return;
    struct group *group = member_of(comm)->group;
    pthread_mutex_lock(&group->mutex);
    if (!group->left)
        group->first_left = comm->rank;
    group->left = true;
    pthread_cond_broadcast(&group->all_here);
    pthread_mutex_unlock(&group->mutex);
}

void comm_threads_free(struct comm **handles, unsigned size)
{
    if (!handles || size == 0 || !handles[0])
        return;
    struct group *group = member_of(handles[0])->group;
    pthread_cond_destroy(&group->all_here);
    pthread_mutex_destroy(&group->mutex);
    akin_free(group);
    for (unsigned r = 0; r < size; r++)
        handles[r] = NULL;
}

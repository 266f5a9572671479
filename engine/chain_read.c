/* chain_read.c -- reading: round after round through the members, until one has it.
 *
 * A round asks the members in the decided order. The first that has it answers; those
 * that have not, or fail, are passed over. Where a link leads to nothing in the member
 * that has it, another round asks all the others for what it leads to: together they
 * are one tree. Only who could have had the last word counts as a doubt when nobody has
 * it: a tier never has. */
#include "chain_core.h"

/* A group in a tier may be there for the sake of what lies beneath it only: it answers
 * for a group by its pack, and by nothing else. */
static bool is_incidental(const struct reading *reading, const struct member *member) {
    const struct answer *answer = &reading->answer;
    if (answer->status || !(member->flags & CAIRN_MEMBER_TIER))
        return false;
    if (reading->question == ASK_TYPE)
        return answer->kind == CAIRN_GROUP;
    return answer->view.entry.kind == CAIRN_GROUP && !answer->view.entry.payload.size;
}

static void fail(struct reading *reading, size_t i, const char *why) {
    struct member *member = call_member(reading->call, i);
    reading->failed |= call_bit(reading->call, i);
    if (member->flags & CAIRN_MEMBER_TIER)
        return;
    reading->doubtful |= call_bit(reading->call, i);
    if (why)
        reasons_add(&reading->reasons, member, reading->answer.status, why);
}

/* The i-th has not got what is at `at`. Who is asked after it may be copied from. */
static void pass_over(struct reading *reading, size_t i) {
    uint32_t bit = call_bit(reading->call, i);
    reading->passed |= bit;
    reading->missed |= bit;
    if (may_promote(reading) && reading->call->decision.promote & bit &&
        !reading->watching) {
        watch_begin(&reading->watch, reading->at.text);
        reading->watching = true;
    }
}

/* The link of the i-th leads on to answer.path, which it has not got. */
static enum step follow(struct reading *reading, size_t i) {
    struct answer *answer = &reading->answer;
    if (++reading->hops > CAIRN_LINK_HOPS) {
        answer->status =
            cairn_fail_at(&answer->error, CAIRN_LINK_LOOP,
                          "a cycle of links through several stores, or over 64 of them",
                          reading->call->path.text);
        return STEP_DONE;
    }
    memcpy(reading->at.room, answer->path.text.data, answer->path.text.size);
    reading->at.text = (struct cairn_slice){reading->at.room, answer->path.text.size};
    reading->passed = reading->missed = 0;
    reading->watching = false;
    pass_over(reading, i);
    return STEP_DANGLE;
}

enum step reading_settle(struct reading *reading, size_t i, struct leave leave,
                         int64_t took_ns) {
    struct call *call = reading->call;
    struct member *member = call_member(call, i);
    struct answer *answer = &reading->answer;
    if (is_incidental(reading, member)) {
        if (reading->question != ASK_TYPE)
            cairn_view_release(&answer->view);
        answer->status = CAIRN_NOT_FOUND;
        answer->path.text.size = 0;
    }
    member_answered(call, member, leave, answer->status, took_ns);
    switch (verdict_of(answer->status)) {
    case ANSWERED:
        return STEP_DONE;
    case FAILED:
        fail(reading, i, answer->error.message);
        return STEP_NEXT;
    case MISSED:
        break;
    }
    if (answer->path.text.size)
        return follow(reading, i);
    pass_over(reading, i);
    return STEP_NEXT;
}

void reading_timed_out(struct reading *reading, size_t i, struct leave leave) {
    struct call *call = reading->call;
    struct member *member = call_member(call, i);
    long long ms = call->decision.deadline_ms[i];
    member_timed_out(call, member, leave);
    call_tell(call, member, reading->at.text, CAIRN_TIMEOUT,
              "left behind: no answer within %lld ms", ms);
    reading->answer.status = cairn_fail(&reading->answer.error, CAIRN_TIMEOUT,
                                        "no answer within %lld ms", ms);
    fail(reading, i, reading->answer.error.message);
}

static bool is_fresh(const struct cairn_context *context) {
    return context && context->fresh;
}

struct leave reading_admit(struct reading *reading, size_t i) {
    struct call *call = reading->call;
    struct member *member = call_member(call, i);
    bool tier = member->flags & CAIRN_MEMBER_TIER;
    if ((reading->passed | reading->failed) & call_bit(call, i) ||
        !(member->flags & CAIRN_MEMBER_READS) || !in_scope(member, call->context) ||
        (tier && (!tiers_know(reading->question) || is_fresh(call->context))))
        return (struct leave){0};
    if (atomic_load_explicit(&member->distrusted, memory_order_acquire)) {
        tiers_mend(call);
        if (atomic_load(&member->distrusted))
            return (struct leave){0};
    }
    struct leave leave = member_admit(call, member, tier ? NULL : &reading->reasons);
    if (!leave.granted)
        fail(reading, i, NULL);
    return leave;
}

/* The i-th of the order, on this thread. */
static enum cairn_status ask_here(struct reading *reading, size_t i, enum step *step,
                                  struct cairn_error *error) {
    const struct cairn_context *context = reading->call->context;
    struct member *member = call_member(reading->call, i);
    struct answer *answer = &reading->answer;
    *step = STEP_NEXT;
    enum cairn_status status = cairn_context_check(context, error);
    if (status)
        return status;
    struct leave leave = reading_admit(reading, i);
    if (!leave.granted)
        return CAIRN_OK;
    int64_t took_ns = -1, began = member_wants_timing(member) ? chain_clock_ns() : 0;
    ask(reading->question, member, context, reading->at.text, reading->options, answer);
    if (began)
        took_ns = chain_clock_ns() - began;
    if (answer->status == CAIRN_TIMEOUT &&
        (status = cairn_context_check(context, error))) { /* ours is over, not theirs */
        member_unheard(member, leave);
        return status;
    }
    *step = reading_settle(reading, i, leave, took_ns);
    return CAIRN_OK;
}

static bool any_readable(const struct cairn_chain *chain) {
    for (size_t i = 0; i < chain->count; i++)
        if (chain->facts[i].flags & CAIRN_MEMBER_READS)
            return true;
    return false;
}

/* Every round has ended without an answer. */
static enum cairn_status nobody(const struct reading *reading,
                                struct cairn_error *error) {
    const struct call *call = reading->call;
    struct cairn_slice path = call->path.text;
    if (reading->doubtful)
        return cairn_fail(error, CAIRN_UNAVAILABLE,
                          "it cannot be told whether there is anything at '%.*s': %s",
                          path.size > 60 ? 60 : (int)path.size, path.data,
                          reading->reasons.text);
    if (call->decision.count == 0 && call->chain->count) {
        if (!any_readable(call->chain))
            return cairn_fail_at(error, CAIRN_UNAUTHORIZED,
                                 "none of the chain's stores may be read for", path);
        return cairn_fail_at(error, CAIRN_UNAVAILABLE,
                             "the policy asks none of the stores for", path);
    }
    return cairn_fail_at(error, CAIRN_NOT_FOUND,
                         reading->hops ? "there is nothing behind the links at"
                                       : "no store of the chain has anything at",
                         path);
}

/* CAIRN_OK: reading->answer is the answer, whatever it says, of the `*from`-th. */
static enum cairn_status read_through(struct reading *reading, size_t *from,
                                      struct cairn_error *error) {
    const struct cairn_chain_decision *decision = &reading->call->decision;
    enum step step = STEP_DANGLE;
    while (step == STEP_DANGLE) {
        size_t at_once = decision->race > 1 ? decision->race : 1;
        step = STEP_NEXT;
        for (size_t i = 0; i < decision->count && step == STEP_NEXT; i += at_once) {
            if (i)
                at_once = 1;
            *from = i;
            enum cairn_status status =
                at_once > 1 || decision->deadline_ms[i]
                    ? reading_on_threads(reading, i, at_once, &step, from, error)
                    : ask_here(reading, i, &step, error);
            if (status)
                return status;
        }
    }
    return step == STEP_DONE ? CAIRN_OK : nobody(reading, error);
}

static enum cairn_status read_begin(struct reading *reading, struct call *call,
                                    struct cairn_chain *chain,
                                    const struct cairn_context *context,
                                    enum question question, struct cairn_slice path,
                                    struct cairn_error *error) {
    static const char *const names[] = {
        [ASK_GET] = "get",   [ASK_READ] = "read",       [ASK_TYPE] = "type",
        [ASK_STAT] = "stat", [ASK_RESOLVE] = "resolve", [ASK_LIST] = "list"};
    reading->call = call;
    reading->question = question;
    reading->options = NULL;
    reading->hops = 0;
    reading->passed = reading->failed = reading->missed = reading->doubtful = 0;
    reading->watching = false;
    reasons_init(&reading->reasons);
    enum cairn_status status = call_begin(call, chain, context, CAIRN_CHAIN_READ,
                                          names[question], path, 0, error);
    reading->at.text = call->path.text;
    return status;
}

/* Runs a reading that has begun; what it found is in reading->answer. */
static enum cairn_status read_on(struct reading *reading, size_t *member,
                                 struct cairn_error *error) {
    size_t from = 0;
    enum cairn_status status = read_through(reading, &from, error);
    if (status)
        return status;
    if (reading->answer.status) {
        if (error)
            *error = reading->answer.error;
        return reading->answer.status;
    }
    if (member)
        *member = call_index(reading->call, from);
    if (reading->missed && may_promote(reading))
        reading_promote(reading, from);
    return CAIRN_OK;
}

/* -- The questions ---------------------------------------------------------------- */

static enum cairn_status read_view(struct cairn_chain *chain,
                                   const struct cairn_context *context,
                                   enum question question, struct cairn_slice path,
                                   struct cairn_view *out, size_t *member,
                                   struct cairn_error *error) {
    struct call call;
    struct reading reading;
    out->release = NULL;
    enum cairn_status status =
        read_begin(&reading, &call, chain, context, question, path, error);
    if (!status)
        status = read_on(&reading, member, error);
    if (!status)
        *out = reading.answer.view;
    return status;
}

enum cairn_status cairn_chain_get(struct cairn_chain *chain,
                                  const struct cairn_context *context,
                                  struct cairn_slice path, struct cairn_view *out,
                                  size_t *member, struct cairn_error *error) {
    return read_view(chain, context, ASK_GET, path, out, member, error);
}

enum cairn_status cairn_chain_read(struct cairn_chain *chain,
                                   const struct cairn_context *context,
                                   struct cairn_slice path, struct cairn_view *out,
                                   size_t *member, struct cairn_error *error) {
    return read_view(chain, context, ASK_READ, path, out, member, error);
}

enum cairn_status cairn_chain_stat(struct cairn_chain *chain,
                                   const struct cairn_context *context,
                                   struct cairn_slice path, struct cairn_view *out,
                                   size_t *member, struct cairn_error *error) {
    return read_view(chain, context, ASK_STAT, path, out, member, error);
}

enum cairn_status cairn_chain_type(struct cairn_chain *chain,
                                   const struct cairn_context *context,
                                   struct cairn_slice path, enum cairn_kind *out,
                                   size_t *member, struct cairn_error *error) {
    struct call call;
    struct reading reading;
    enum cairn_status status =
        read_begin(&reading, &call, chain, context, ASK_TYPE, path, error);
    if (!status)
        status = read_on(&reading, member, error);
    if (!status)
        *out = reading.answer.kind;
    return status;
}

enum cairn_status cairn_chain_resolve(struct cairn_chain *chain,
                                      const struct cairn_context *context,
                                      struct cairn_slice path, struct cairn_path *out,
                                      size_t *member, struct cairn_error *error) {
    struct call call;
    struct reading reading;
    const struct cairn_slice nothing = {"", 0};
    enum cairn_status status =
        read_begin(&reading, &call, chain, context, ASK_RESOLVE, path, error);
    if (status)
        return status;
    status = read_on(&reading, member, error);
    if (!status)
        return cairn_path_join(reading.answer.path.text, nothing, out, error);
    if (status != CAIRN_NOT_FOUND)
        return status;
    if (member)
        *member = CAIRN_NOBODY;
    return cairn_path_join(reading.at.text, nothing, out, error);
}

enum cairn_status
cairn_chain_list(struct cairn_chain *chain, const struct cairn_context *context,
                 struct cairn_slice path, const struct cairn_list_options *options,
                 struct cairn_list **out, size_t *member, struct cairn_error *error) {
    struct call call;
    struct reading reading;
    enum cairn_status status =
        read_begin(&reading, &call, chain, context, ASK_LIST, path, error);
    reading.options = options;
    if (!status)
        status = read_on(&reading, member, error);
    if (!status)
        *out = reading.answer.list;
    return status;
}

/* cairn.h -- start here: everything that libcairn's engine offers.
 *
 * store.h is what most programs need; open.h (beside it once installed) makes a store
 * from a URL. Conventions, for all headers:
 *  1. A failure is a status that is not CAIRN_OK and a sentence in the cairn_error.
 *  2. A slice borrows, bytes own, a view is pinned until it is released.
 *  3. Sizes are bytes, times are milliseconds since the Unix epoch.
 *  4. Any function may be called from any thread, unless its header says otherwise. */
#ifndef CAIRN_H
#define CAIRN_H

#define CAIRN_VERSION "0.1.0"

#include "cairn/actor.h"
#include "cairn/arena.h"
#include "cairn/bytes.h"
#include "cairn/cache.h"
#include "cairn/chain.h"
#include "cairn/codec.h"
#include "cairn/context.h"
#include "cairn/control.h"
#include "cairn/flight.h"
#include "cairn/http_form.h"
#include "cairn/id.h"
#include "cairn/message.h"
#include "cairn/metadata.h"
#include "cairn/pack.h"
#include "cairn/parcel.h"
#include "cairn/path.h"
#include "cairn/policy.h"
#include "cairn/scheduler.h"
#include "cairn/signature_base.h"
#include "cairn/status.h"
#include "cairn/store.h"
#include "cairn/structured.h"
#include "cairn/worker.h"

#endif

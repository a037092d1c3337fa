#include "high/high.h"
#include "low/low.h"
#ifdef PROBE_SIDEWAYS
#include "side/side.h"
#endif

int kw_high(void)
{
    return kw_low() + 1;
}

#include "side/side.h"

int kw_side(void)
{
    return 2;
}

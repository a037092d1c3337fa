#ifndef SIDE_H
#define SIDE_H
int kw_side(void);
#endif

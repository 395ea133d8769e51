#include "storage/review.hpp"

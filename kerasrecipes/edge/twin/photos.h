// Photos from files, upright, as device.py reads them: PPM, and JPEG and PNG where the program was
// built with libjpeg (WITH_JPEG) and libpng (WITH_PNG).
#pragma once

#include <string>
#include <vector>

#include "photo_classifier.h"

// Read a photo; what is transparent goes over the background, three numbers of 0 to 255. Throws
// std::runtime_error with the reason.
Photo ReadPhoto(const std::string& path, const std::vector<double>& background);
